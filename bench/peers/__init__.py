"""The servers that are compared, each with settings one careful operator would choose for one core.

Alike for all: one worker, logging of queries off, rate limiting off, minimal responses, UDP and TCP on one loopback
port, zones from master files, nothing written back.
"""

from __future__ import annotations

from bench.peers.bind import Bind
from bench.peers.gdnsd import Gdnsd
from bench.peers.knot import Knot
from bench.peers.nsd import Nsd
from bench.peers.peer import Peer
from bench.peers.pippin import Pippin, PippinUncompiled
from bench.peers.powerdns import PowerDns

PEERS: dict[str, type[Peer]] = {
    peer.name: peer for peer in (Pippin, Nsd, Knot, Bind, PowerDns, Gdnsd, PippinUncompiled)
}
DEFAULT = ("pippin", "nsd", "knot", "bind", "powerdns", "gdnsd")

__all__ = ["DEFAULT", "PEERS", "Peer"]
