"""Servers that ask another one for what they don't know, and remember it: dnsmasq, unbound, and Pippin forwarding.

Each forwards the names of one zone to an authoritative server on loopback, whose port its class knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from bench.peers.peer import Peer, first_line
from bench.peers.pippin import Pippin

CACHED = 10_000
"""Answers that each may remember at least."""


class Forwarder(Peer):
    """`zones.origin` is what it forwards, to the server on port `upstream`."""

    upstream: ClassVar[int]


def to(kind: type[Forwarder], port: int) -> type[Forwarder]:
    """This server with its upstream on `port`."""
    return type(kind.__name__, (kind,), {"upstream": port})


class Dnsmasq(Forwarder):
    name = "dnsmasq"
    program = "dnsmasq"

    @classmethod
    def version(cls) -> str:
        return first_line(["dnsmasq", "--version"], "version")

    def prepare(self) -> None:
        origin = self.zone_files()[0].origin
        lines = [
            f"port={self.port}",
            "listen-address=127.0.0.1",
            "bind-interfaces",
            "no-resolv",
            "no-hosts",
            f"cache-size={CACHED}",
            "dns-forward-max=1000",
            f"server=/{origin}/127.0.0.1#{self.upstream}",
            "user=root",
            "pid-file=",
        ]
        (self.folder / "dnsmasq.conf").write_text("\n".join(lines) + "\n")

    def command(self) -> Sequence[str]:
        return ["dnsmasq", "--keep-in-foreground", f"--conf-file={self.folder}/dnsmasq.conf"]


class Unbound(Forwarder):
    """One thread, no validation."""

    name = "unbound"
    program = "unbound"

    @classmethod
    def version(cls) -> str:
        return first_line(["unbound", "-V"], "Version")

    def prepare(self) -> None:
        origin = self.zone_files()[0].origin
        lines = [
            "server:",
            f'  directory: "{self.folder}"',
            '  chroot: ""',
            '  username: ""',
            '  pidfile: ""',
            "  interface: 127.0.0.1",
            f"  port: {self.port}",
            "  do-daemonize: no",
            "  use-syslog: no",
            "  verbosity: 0",
            "  num-threads: 1",
            "  outgoing-range: 2000",
            "  num-queries-per-thread: 1000",
            "  minimal-responses: yes",
            '  module-config: "iterator"',
            "  do-not-query-localhost: no",
            '  local-zone: "test." nodefault',
            "remote-control:",
            "  control-enable: no",
            "stub-zone:",
            f"  name: {origin}",
            f"  stub-addr: 127.0.0.1@{self.upstream}",
        ]
        (self.folder / "unbound.conf").write_text("\n".join(lines) + "\n")

    def command(self) -> Sequence[str]:
        return ["unbound", "-d", "-c", f"{self.folder}/unbound.conf"]


class ForwardingPippin(Forwarder, Pippin):
    """No zones of its own."""

    name = "pippin"

    def prepare(self) -> None:
        origin = self.zone_files()[0].origin
        lines = [
            f'listen = ["127.0.0.1:{self.port}"]',
            f"workers = {self.workers}",
            f'control = "{self.folder}/pippin.sock"',
            "[forward.suffix]",
            f'"{origin}" = ["127.0.0.1:{self.upstream}"]',
        ]
        (self.folder / "pippin.toml").write_text("\n".join(lines) + "\n")

    def command(self) -> Sequence[str]:
        return [self.program, "-m", "pippin", "serve", "-c", f"{self.folder}/pippin.toml"]
