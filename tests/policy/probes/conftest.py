"""Certificates made for the test run."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from pippin.policy.probes.stream import tls_context

Certified = Callable[..., ssl.SSLContext]


@pytest.fixture
def certified(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Certified:
    """`certified("a.example", days=10)`: settings of a TLS server whose authority this process trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    tls_context.cache_clear()

    def make(*names: str, days: float = 100) -> ssl.SSLContext:
        now = datetime.datetime.now(datetime.UTC)
        start = min(now, now + datetime.timedelta(days=days)) - datetime.timedelta(days=1)
        end = now + datetime.timedelta(days=days)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(*names, not_before=start, not_after=end).configure_cert(context)
        return context

    return make
