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
    Question,
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

_FORGETTING = 0.98
"""What the smoothed time of an upstream shrinks by when another one is chosen, so that its turn comes again."""


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
        self.is_trusted = address.protocol == "tls" or address.is_loopback
        """What it says about validation reaches us unchanged (RFC 4035 section 4.9.3)."""
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

    def begin(self, question: Question) -> Exchange | None:
        """Send the question over UDP; None: it goes another way. OSError if there is no way to that place."""
        if self.address.protocol != "udp":
            return None
        self._asked += 1
        query = compose_question(question, edns=self._knows_edns())
        if self._random_case:
            query = with_name(query, randomise_case(question.name))
        return Exchange((self.address.host, self.address.port), query, len(question.name), self.wrong)

    async def ask(self, question: Question, exchange: Exchange | None = None) -> bytes:
        """A reply to the question, whatever it says. OSError when there is none; the caller limits the time.

        `exchange` is what `begin` has returned for it, and is closed here.
        """
        reply, query = await self._ask(question, exchange)
        if calls_edns_wrong(reply, query):
            self._plain_until = asyncio.get_running_loop().time() + WITHOUT_EDNS_SECONDS
            reply, _ = await self._ask(question, None)
        return reply

    async def _ask(self, question: Question, exchange: Exchange | None) -> tuple[bytes, bytes]:
        """The reply and the query that it is for."""
        if exchange is None:
            exchange = self.begin(question)
        if exchange is not None:
            reply = await _reply_to(exchange)
            if reply is not None:
                return reply, exchange.query
            self._over_tcp += 1
        else:
            self._asked += 1
        query = compose_question(question, edns=self._knows_edns(), pad=self.address.protocol == "tls")
        # Nobody forges what they cannot see the numbers of: no case needed.
        return await self._line.ask(query, len(question.name)), query

    def _knows_edns(self) -> bool:
        return not self._plain_until or asyncio.get_running_loop().time() >= self._plain_until

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


async def _reply_to(exchange: Exchange) -> bytes | None:
    """The reply over UDP; None when it has to be asked for over TCP."""
    try:
        reply = await exchange.reply
    except Suspicious:
        return None
    finally:
        exchange.close()
    return None if is_truncated(reply) else reply


def is_complete(reply: bytes, query: bytes) -> bool:
    """Nothing more is to be asked of the upstream because of this reply over UDP."""
    return not is_truncated(reply) and not calls_edns_wrong(reply, query)


def calls_edns_wrong(reply: bytes, query: bytes) -> bool:
    """The upstream knows no OPT record (RFC 6891 section 7)."""
    return rcode_of(reply) in (FORMERR, NOTIMP) and query[11:12] == b"\1" and reply[10:12] == b"\0\0"
