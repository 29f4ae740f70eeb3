"""The harness itself: every peer starts, answers and stops; dig, kdig and drill get an answer from each."""

from __future__ import annotations

import subprocess
from pathlib import Path

import dns.flags
import pytest

from tests.peers import bind, knot, nsd, unbound
from tests.peers.server import HOST, Zone, program
from tests.peers.signing import sign

ZONES = Path(__file__).parent / "zones"
SERVERS = {"nsd": nsd, "knot": knot, "bind": bind}


@pytest.mark.parametrize("peer", SERVERS)
def test_peer_serves_and_transfers(peer: str) -> None:
    zone = Zone("corners.test", file=ZONES / "corners.zone")
    with SERVERS[peer].serving([zone]) as server:
        reply = server.ask("www.corners.test", "A")
        assert len(reply.answer[0]) == 3
        assert len(server.transfer("corners.test").nodes) > 40
        with SERVERS[peer].serving([Zone("corners.test", primary=server.port)]) as secondary:
            assert secondary.ask("www.corners.test", "A").answer == reply.answer
    assert server.process.returncode is not None


def test_unbound_validates(tmp_path: Path) -> None:
    signed = sign("signed.test", ZONES / "signed.zone", tmp_path)
    with (
        nsd.serving([Zone("signed.test", file=signed.file)]) as server,
        unbound.validating(server.port, {"signed.test": signed.ds}) as resolver,
    ):
        assert resolver.ask("www.signed.test", "A", dnssec=True, recursive=True).flags & dns.flags.AD


@pytest.mark.parametrize(
    ("client", "package", "arguments"),
    [
        ("dig", "bind9-dnsutils", ["@{host}", "-p", "{port}", "www.corners.test", "A", "+short"]),
        ("kdig", "knot-dnsutils", ["@{host}", "-p", "{port}", "www.corners.test", "A", "+short"]),
        ("drill", "ldnsutils", ["@{host}", "-p", "{port}", "www.corners.test", "A"]),
    ],
)
def test_client_gets_an_answer(client: str, package: str, arguments: list[str]) -> None:
    command = [program(client, package)]
    with nsd.serving([Zone("corners.test", file=ZONES / "corners.zone")]) as server:
        command += [argument.format(host=HOST, port=server.port) for argument in arguments]
        result = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert result.returncode == 0
    assert "192.0.2.80" in result.stdout
