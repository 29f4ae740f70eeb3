"""The pipeline: order of handlers, bounds, and the two doors where exceptions stop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import dns.message
import dns.rcode
import pytest
import structlog.testing

from pippin.query.pipeline import STARTS_PER_TURN, Outcome, Pipeline
from pippin.query.query import Malformed, Query, Transport
from pippin.query.reply import Reply

FIRST = Reply(b"first", 0, 0, 0)
SECOND = Reply(b"second", 0, 0, 0)


def a_query() -> Query:
    return Query(dns.message.make_query("example.", "A").to_wire(), ("192.0.2.1", 5353), Transport.UDP)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 10))


async def outcomes_of(pipeline: Pipeline, count: int = 1) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for _ in range(count):
        pipeline.offer(a_query(), lambda _query, outcome: outcomes.append(outcome))
    await pipeline.wait_idle()
    return outcomes


async def passes(query: Query) -> Outcome:
    return None


async def says_first(query: Query) -> Outcome:
    return FIRST


async def says_second(query: Query) -> Outcome:
    return SECOND


def test_first_handler_with_an_answer_wins() -> None:
    async def test() -> None:
        assert await outcomes_of(Pipeline((passes, says_first, says_second))) == [FIRST]

    run(test())


def test_nobody_responsible_is_refused() -> None:
    async def test() -> None:
        (outcome,) = await outcomes_of(Pipeline((passes,)))
        assert isinstance(outcome, Reply)
        assert outcome.rcode == dns.rcode.REFUSED
        assert not outcome.authoritative

    run(test())


def test_malformed_query_is_formerr() -> None:
    async def reads(query: Query) -> Outcome:
        raise Malformed("offset 3: nonsense")

    async def test() -> None:
        pipeline = Pipeline((reads,))
        (outcome,) = await outcomes_of(pipeline)
        assert isinstance(outcome, Reply)
        assert outcome.rcode == dns.rcode.FORMERR
        assert pipeline.statistics().malformed == 1

    run(test())


def test_failing_handler_is_servfail_and_logged_once_with_its_place() -> None:
    async def fails(query: Query) -> Outcome:
        raise ZeroDivisionError("oops")

    async def test() -> None:
        pipeline = Pipeline((fails, says_second))
        with structlog.testing.capture_logs() as logs:
            outcomes = await outcomes_of(pipeline, 20)
        assert [outcome.rcode for outcome in outcomes if isinstance(outcome, Reply)] == [
            dns.rcode.SERVFAIL
        ] * 20
        assert pipeline.statistics().failed == 20
        (entry,) = logs
        assert "test_pipeline.py" in entry["place"]
        assert entry["error"] == "ZeroDivisionError: oops"

    run(test())


def test_full_queue_drops_and_counts() -> None:
    async def test() -> None:
        pipeline = Pipeline((says_first,), queue_size=10)
        assert len(await outcomes_of(pipeline, 25)) == 10
        statistics = pipeline.statistics()
        assert (statistics.accepted, statistics.dropped, statistics.waiting) == (10, 15, 0)

    run(test())


def test_slow_handlers_run_side_by_side_up_to_the_bound() -> None:
    running = most = 0

    async def waits(query: Query) -> Outcome:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return FIRST

    async def test() -> None:
        assert len(await outcomes_of(Pipeline((waits,), concurrency=7), 30)) == 30
        assert most == 7

    run(test())


def test_a_flood_leaves_the_event_loop_to_others_between_turns() -> None:
    async def test() -> None:
        pipeline = Pipeline((says_first,))
        outcomes: list[Outcome] = []
        for _ in range(STARTS_PER_TURN * 5):
            pipeline.offer(a_query(), lambda _query, outcome: outcomes.append(outcome))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(outcomes) <= STARTS_PER_TURN * 2

    run(test())


@pytest.mark.parametrize("waiting", [0, 5])
def test_closed_pipeline_answers_nobody(waiting: int) -> None:
    async def hangs(query: Query) -> Outcome:
        await asyncio.sleep(3600)
        return FIRST

    async def test() -> None:
        outcomes: list[Outcome] = []
        pipeline = Pipeline((hangs,), concurrency=1)
        for _ in range(1 + waiting):
            pipeline.offer(a_query(), lambda _query, outcome: outcomes.append(outcome))
        await asyncio.sleep(0.01)
        pipeline.close()
        await pipeline.wait_idle()
        assert not outcomes

    run(test())
