"""Which probe a check wants."""

from __future__ import annotations

from pippin.policy.checks import (
    Check,
    CommandCheck,
    CoroutineCheck,
    DNSCheck,
    HTTPCheck,
    PingCheck,
    TCPCheck,
    TLSCheck,
)
from pippin.policy.probes import command, dns, http, ping, tcp, tls
from pippin.policy.probes.coroutine import UserLoop


class Prober:
    """Runs checks of any kind."""

    def __init__(self) -> None:
        self._user_loop: UserLoop | None = None

    async def run(self, check: Check, address: str, target: str) -> str:
        """Ask `address` once how the target is: a few words if it is well, or an exception that says why not."""
        match check:
            case HTTPCheck():
                return await http.check(check, address)
            case TCPCheck():
                return await tcp.check(check, address)
            case TLSCheck():
                return await tls.check(check, address)
            case PingCheck():
                return await ping.check(check, address)
            case DNSCheck():
                return await dns.check(check, address)
            case CommandCheck():
                return await command.check(check, address, target)
            case CoroutineCheck():
                self._user_loop = self._user_loop or UserLoop()
                return await self._user_loop.check(check, address)
        raise TypeError(f"{type(check).__name__} is a kind of check that nobody knows how to run")
