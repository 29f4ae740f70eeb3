"""Questions to the handler as a client's packets, through pipeline and engine, and time that a test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import dns.flags
import dns.message
import dns.rdatatype

from pippin.engine.path import Options, Responder, client_from
from pippin.forward.handler import Forwarding
from pippin.forward.settings import ForwardSettings
from pippin.query.pipeline import Outcome, Pipeline
from pippin.query.query import Query, Transport
from pippin.query.reply import Reply
from pippin.serve.zones import ZoneAnswers
from pippin.zone.answer import Zones

CLIENT = "127.0.0.1"


def run(test: Coroutine[Any, Any, None], seconds: float = 30.0) -> None:
    asyncio.run(asyncio.wait_for(test, seconds))


class Clock:
    """Unix time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Asking:
    """A forwarding pipeline with its zones, without sockets of its own."""

    def __init__(self, settings: ForwardSettings, zones: Zones | None = None) -> None:
        self.clock = Clock()
        zones = zones or Zones()
        self.forwarding = Forwarding(settings, zones, clock=self.clock)
        self.pipeline = Pipeline((self.forwarding.handle, ZoneAnswers(zones).handle), concurrency=2000)
        self._responder = Responder(Options())
        self.last: Reply | None = None

    async def ask(
        self,
        name: str,
        rdtype: str = "A",
        *,
        client: str = CLIENT,
        recursive: bool = True,
        dnssec: bool = False,
        checking_disabled: bool = False,
        authentic: bool = False,
    ) -> dns.message.Message:
        """The reply that a client sees."""
        message = dns.message.make_query(name, rdtype, use_edns=0, want_dnssec=dnssec)
        message.flags = dns.flags.Flag(0)
        message.flags |= dns.flags.RD if recursive else 0
        message.flags |= dns.flags.CD if checking_disabled else 0
        message.flags |= dns.flags.AD if authentic else 0
        return await self.ask_message(message, client)

    async def ask_message(self, message: dns.message.Message, client: str = CLIENT) -> dns.message.Message:
        wire = message.to_wire()
        answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        query = Query(wire, (client, 5353), Transport.UDP)
        self.pipeline.offer(query, lambda _, outcome: answered.set_result(outcome))
        outcome = await answered
        assert isinstance(outcome, Reply)
        self.last = outcome
        reply = self._responder.finish(wire, client_from(client, 5353), int(self.clock()), True, outcome)
        return dns.message.from_wire(reply)

    async def close(self) -> None:
        self.pipeline.close()
        await self.forwarding.close()


def ede_of(message: dns.message.Message) -> int:
    return next((int(option.code) for option in message.options if option.otype == 15), -1)  # type: ignore[attr-defined]


def addresses(message: dns.message.Message) -> list[str]:
    return [rdata.address for rrset in message.answer if rrset.rdtype == dns.rdatatype.A for rdata in rrset]
