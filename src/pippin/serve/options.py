"""What a worker is told when it starts: one frozen value that crosses the process boundary as JSON."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from pippin.forward.settings import ForwardSettings
from pippin.policy.protocol import DeclaredPolicy
from pippin.source.live import LiveSettings


class Socket(Struct, frozen=True):
    """A bound socket that the worker inherits. `wildcard`: replies must leave from the address that was asked."""

    fd: int
    kind: str
    """"udp" or "tcp" (listening)."""
    wildcard: bool


class WorkerOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a worker needs to know; meanings and defaults of most are `control.settings`."""

    index: int
    """Its page of the store's counters; no other process counts there."""
    sockets: tuple[Socket, ...]
    store: str
    cookie_secret: bytes
    """16 octets, the same in all workers: a cookie from one is good at all (RFC 9018)."""
    core: int | None = None
    queue_size: int = 4096
    cache_size: int = 65536
    cache_bytes: int = 32 << 20
    udp_size: int = 1232
    require_cookie: bool = False
    rotate: bool = False
    server_id: str | None = None
    version: str | None = None
    allow_transfer: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    tcp_clients: int = 4096
    tcp_clients_per_address: int = 256
    tcp_idle_timeout: float = 10.0
    tcp_write_timeout: float = 5.0
    tcp_pipeline: int = 128
    drain_timeout: float = 5.0
    client_subnet_from: tuple[str, ...] = ("0.0.0.0/0", "::/0")
    forward: ForwardSettings | None = None
    live: tuple[LiveSettings, ...] = ()
    """Sources in which names are looked up; of two with a zone for a name the first one counts."""
    policies: tuple[str, ...] = ()
    """Files of policies, in this order."""
    sources: Mapping[str, bytes] = {}
    """Their texts, by absolute path, when they were checked; also those of the modules they import from beside them."""
    declared: tuple[DeclaredPolicy, ...] = ()
    """What those files declared when they were checked; a worker that finds something else must not answer with it."""
    health_file: str | None = None
    health_rows: dict[str, int] = {}
    """Rows of the health table by target, `<pool>/<address>`."""
