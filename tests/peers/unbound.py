"""Unbound (NLnet Labs): a validating resolver that asks the server under test for its zones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.peers.server import HOST, Server, program, running, unconfined

CONFIGURATION = """
server:
    directory: "{folder}"
    chroot: ""
    username: ""
    pidfile: "{folder}/unbound.pid"
    interface: {host}
    port: {port}
    do-daemonize: no
    use-syslog: no
    logfile: ""
    verbosity: 1
    val-log-level: 2
    num-threads: 1
    do-not-query-localhost: no
    module-config: "validator iterator"
    local-zone: "test." nodefault
    do-not-query-address: 192.0.2.0/24
    do-not-query-address: 2001:db8::/32
    minimal-responses: no
    qname-minimisation: no
    aggressive-nsec: no
    cache-max-negative-ttl: 0
remote-control:
    control-enable: no
"""


@contextmanager
def validating(port: int, anchors: Mapping[str, str], extra: str = "") -> Iterator[Server]:
    """Resolve the zones of `anchors` (name: DS rdata as text) from the server on `port`, and validate them.

    `extra` are lines to add to the configuration, under `server:`.
    """
    unbound = program("unbound", "unbound")

    def configure(folder: Path, own_port: int) -> list[str]:
        text = CONFIGURATION.format(host=HOST, port=own_port, folder=folder)
        text += f"server:\n{extra}"
        for zone, ds in anchors.items():
            text += f'    trust-anchor: "{zone} DS {ds}"\n'
        for zone in anchors:
            text += f"stub-zone:\n    name: {zone}\n    stub-addr: {HOST}@{port}\n"
        path = folder / "unbound.conf"
        path.write_text(text)
        return [unconfined(unbound, folder), "-d", "-c", str(path)]

    with running(configure, list(anchors)) as server:
        yield server
