"""dnslib's own UDP server with a resolver that decides by the client's subnet: the Python of today's scripts.

Run as a script it is the server: `python -m bench.peers.dnslib PORT`.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import time
from collections.abc import Sequence

from bench.peers.peer import Peer
from bench.peers.steering import ONE, TWO


class Dnslib(Peer):
    name = "dnslib"
    program = sys.executable

    @classmethod
    def version(cls) -> str:
        return f"dnslib {importlib.metadata.version('dnslib')}" if cls.is_installed() else ""

    @classmethod
    def is_installed(cls) -> bool:
        return importlib.util.find_spec("dnslib") is not None

    def prepare(self) -> None:
        pass

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "bench.peers.dnslib", str(self.port)]


def serve(port: int) -> None:
    """Answer on 127.0.0.1 until killed."""
    from dnslib import QTYPE, RR, A, DNSRecord
    from dnslib.server import BaseResolver, DNSHandler, DNSLogger, DNSServer

    class Deciding(BaseResolver):
        def resolve(self, request: DNSRecord, handler: DNSHandler) -> DNSRecord:
            reply = request.reply()
            last = 0
            for record in request.ar:
                for option in record.rdata if record.rtype == QTYPE.OPT else ():
                    if option.code == 8:
                        last = option.data[-1]
            reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A(ONE if last % 2 else TWO), ttl=30))
            return reply

    DNSServer(Deciding(), port=port, address="127.0.0.1", logger=DNSLogger("-request,-reply")).start_thread()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
