"""One upstream: how to ask it, how it has been doing, and when to leave it in peace.

Asked over UDP it is asked again over TCP when the reply is cut, when forgeries come instead of a reply, and when it
does not keep the case of letters. One that stays silent several times in a row rests, longer each time; it is then
asked last, and when the rest is over one question probes it beside the ordinary ones.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from dataclasses import dataclass

from pippin.forward.datagram import Exchange, Suspicious
from pippin.forward.settings import UpstreamAddress
from pippin.forward.stream import Line
from pippin.forward.wire import (
    FORMERR,
    NOTIMP,
    Mismatch,
    compose_question,
    is_truncated,
    randomise_case,
    rcode_of,
    with_name,
)

FAILURES_BEFORE_REST = 3
REST_FIRST, REST_MOST = 1.0, 60.0
"""Seconds of rest: doubling from the first to the most."""

WAIT_FIRST, WAIT_LEAST, WAIT_MOST = 0.6, 0.2, 1.2
"""Seconds before the next upstream is asked as well: before anything is known, and the bounds of what is learnt."""

WITHOUT_EDNS_SECONDS = 600.0
"""An upstream that called EDNS a format error is asked without, and given another chance later."""

CASE_PATIENCE = 0.25
"""Seconds to wait for a reply in the right case after one came whose case alone was wrong."""

_FORGETTING = 0.98
"""What the smoothed time of an upstream shrinks by when another one is chosen, so that its turn comes again."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: `name` in wire format, lower case."""

    name: bytes
    type: int
    dnssec_ok: bool
    checking_disabled: bool


@dataclass(frozen=True, slots=True)
class UpstreamStatistics:
    """Since the start; `milliseconds` (smoothed time of a reply) and `resting` are as of now."""

    address: str
    asked: int
    answered: int
    late: int
    unreachable: int
    over_tcp: int
    wrong_id: int
    wrong_question: int
    wrong_case: int
    wrong_format: int
    milliseconds: float
    resting: bool


class Upstream:
    """`ask` it; tell it `succeeded` or `missed`. Times are the event loop's."""

    def __init__(self, address: UpstreamAddress, tls: ssl.SSLContext | None, *, random_case: bool) -> None:
        self.address = address
        self._random_case = random_case
        self.wrong: Counter[Mismatch] = Counter()
        self._line = Line(address, tls if address.protocol == "tls" else None, self.wrong)
        self._smoothed = 0.0
        self._deviation = 0.0
        self._plain_until = 0.0
        self._failures = 0
        self._rest = REST_FIRST
        self._rest_until = 0.0
        self._asked = self._answered = self._late = self._unreachable = self._over_tcp = 0

    async def ask(self, question: Question) -> bytes:
        """A reply to the question, whatever it says. OSError when there is none; the caller limits the time."""
        loop = asyncio.get_running_loop()
        edns = loop.time() >= self._plain_until
        reply = await self._ask(question, edns)
        if edns and rcode_of(reply) in (FORMERR, NOTIMP) and reply[10:12] == b"\0\0":
            self._plain_until = loop.time() + WITHOUT_EDNS_SECONDS  # RFC 6891 section 7: it knows no OPT
            reply = await self._ask(question, False)
        return reply

    async def _ask(self, question: Question, edns: bool) -> bytes:
        self._asked += 1
        over_udp = self.address.protocol == "udp"
        query = compose_question(
            question.name,
            question.type,
            dnssec_ok=question.dnssec_ok,
            checking_disabled=question.checking_disabled,
            edns=edns,
            pad=self.address.protocol == "tls",
        )
        size = len(question.name)
        if over_udp:
            name = randomise_case(question.name) if self._random_case else question.name
            reply = await self._ask_datagram(with_name(query, name), size)
            if reply is not None:
                return reply
            self._over_tcp += 1
        return await self._line.ask(
            query, size
        )  # nobody forges what they cannot see the numbers of: no case needed

    async def _ask_datagram(self, query: bytes, name_length: int) -> bytes | None:
        """The reply over UDP; None when it has to be asked for over TCP."""
        exchange = Exchange((self.address.host, self.address.port), query, name_length, self.wrong)
        try:
            while True:
                await asyncio.wait([exchange.reply], timeout=CASE_PATIENCE)
                if exchange.reply.done():
                    reply = exchange.reply.result()
                    return None if is_truncated(reply) else reply
                if exchange.only_case_was_wrong:
                    return None
        except Suspicious:
            return None
        finally:
            exchange.close()

    @property
    def is_trusted(self) -> bool:
        """What it says about validation reaches us unchanged (RFC 4035 section 4.9.3)."""
        return self.address.protocol == "tls" or self.address.is_loopback

    @property
    def is_healthy(self) -> bool:
        return self._failures < FAILURES_BEFORE_REST

    def is_due(self, now: float) -> bool:
        """It has rested and should be probed; says so once, and again after another rest."""
        if self.is_healthy or now < self._rest_until:
            return False
        self._rest_until = now + self._rest
        return True

    @property
    def smoothed(self) -> float:
        """Seconds that a reply takes, 0 while unknown."""
        return self._smoothed

    @property
    def wait(self) -> float:
        """Seconds after which another upstream should be asked as well (RFC 6298's arithmetic)."""
        if not self._smoothed:
            return WAIT_FIRST
        return min(WAIT_MOST, max(WAIT_LEAST, self._smoothed + 4 * self._deviation))

    def passed_over(self) -> None:
        self._smoothed *= _FORGETTING

    def succeeded(self, seconds: float) -> None:
        """A reply came after that time."""
        self._answered += 1
        self._failures = 0
        self._rest = REST_FIRST
        if not self._smoothed:
            self._smoothed, self._deviation = seconds, seconds / 2
        else:
            self._deviation += (abs(seconds - self._smoothed) - self._deviation) / 4
            self._smoothed += (seconds - self._smoothed) / 8

    def missed(self, now: float, *, unreachable: bool = False) -> None:
        """No reply in time, or no way to get one."""
        self._unreachable += unreachable
        self._late += not unreachable
        self._failures += 1
        self._smoothed = min(WAIT_MOST, max(WAIT_LEAST, 2 * self._smoothed))
        if not self.is_healthy and now >= self._rest_until:
            self._rest_until = now + self._rest
            self._rest = min(REST_MOST, 2 * self._rest)

    def close(self) -> None:
        self._line.close()

    def statistics(self) -> UpstreamStatistics:
        return UpstreamStatistics(
            str(self.address),
            self._asked,
            self._answered,
            self._late,
            self._unreachable,
            self._over_tcp,
            self.wrong[Mismatch.ID],
            self.wrong[Mismatch.QUESTION],
            self.wrong[Mismatch.CASE],
            self.wrong[Mismatch.FORMAT],
            round(1000 * self._smoothed, 1),
            not self.is_healthy,
        )
