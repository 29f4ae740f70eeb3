"""Health checks and load sources as values."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pippin.policy.checks import (
    Check,
    CheckError,
    CommandCheck,
    CoroutineCheck,
    DNSCheck,
    HTTPCheck,
    JSONLoad,
    Load,
    PingCheck,
    PrometheusLoad,
    TCPCheck,
    TLSCheck,
)


async def probe(address: str) -> bool:
    return True


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (HTTPCheck("/healthz", port=8080, every=5, fall=3, rise=2), "HTTPCheck('/healthz', 8080, every=5)"),
        (HTTPCheck(status=200, headers={"X": "y"}), "HTTPCheck(headers=(('X', 'y'),), status=200)"),
        (TCPCheck(25, expect=b"220"), "TCPCheck(25, expect=b'220')"),
        (TLSCheck(), "TLSCheck()"),
        (PingCheck(timeout=1), "PingCheck(timeout=1)"),
        (DNSCheck("www.example.com"), "DNSCheck('www.example.com')"),
        (CommandCheck(["probe", "{address}"]), "CommandCheck(('probe', '{address}'))"),
        (JSONLoad("/status", "/load", port=8080), "JSONLoad('/status', '/load', port=8080)"),
        (PrometheusLoad("busy", {"b": "1", "a": "2"}), "PrometheusLoad('busy', (('a', '2'), ('b', '1')))"),
    ],
)
def test_checks_are_values(check: Check | Load, text: str) -> None:
    assert repr(check) == text
    again = eval(text)
    assert again == check
    assert hash(again) == hash(check)
    with pytest.raises(AttributeError):
        check.every = 3.0  # type: ignore[misc]


def test_coroutine_check_is_its_function() -> None:
    assert CoroutineCheck(probe) == CoroutineCheck(probe)
    assert CoroutineCheck(probe, every=3) != CoroutineCheck(probe)


def test_statuses() -> None:
    assert HTTPCheck(status=204).statuses == {204}
    assert HTTPCheck(status=(200, 404)).statuses == {200, 404}
    assert (min(HTTPCheck().statuses), max(HTTPCheck().statuses)) == (200, 399)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HTTPCheck("healthz"), "path='healthz' is none; right would be '/healthz'"),
        (lambda: HTTPCheck(port=0), "port=0 is none"),
        (lambda: HTTPCheck(every=0), "every=0: seconds, more than 0"),
        (lambda: HTTPCheck(timeout=-1), "timeout=-1: seconds"),
        (lambda: HTTPCheck(fall=0), "fall=0: the number of results in a row"),
        (lambda: HTTPCheck(headers={"A": "b\r\nC: d"}), "would break the request"),
        (lambda: HTTPCheck(method="get it"), "method='get it' is none"),
        (lambda: HTTPCheck(body="("), "is no regular expression"),
        (lambda: DNSCheck("a", transport="tls"), "transport='tls' is none"),
        (lambda: CommandCheck("probe"), "command is a list of program and arguments"),  # type: ignore[arg-type]
        (lambda: CoroutineCheck(3), "3 is no function"),  # type: ignore[arg-type]
        (lambda: JSONLoad("/status", "load"), "right would be '/load'"),
        (lambda: JSONLoad("/status", "/load", capacity=0), "capacity=0"),
        (lambda: PrometheusLoad("busy{a='b'}"), "labels have a parameter of their own"),
    ],
)
def test_what_cannot_be_meant_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(CheckError, match=message):
        make()
