"""Checks by a coroutine function of the user's."""

from __future__ import annotations

import asyncio
import sys
import threading
import time

import pytest

from pippin.policy.checks import CoroutineCheck
from pippin.policy.probes.coroutine import UserLoop
from pippin.policy.probes.unhealthy import Unhealthy
from tests.policy.probes.servers import run

ADDRESS = "192.0.2.1"


async def knows(address: str) -> bool:
    await asyncio.sleep(0)
    return address == ADDRESS


async def breaks(address: str) -> bool:
    raise LookupError("no such queue")


async def leaves(address: str) -> bool:
    sys.exit(1)


def test_what_it_returns_decides() -> None:
    loop = UserLoop()
    assert run(loop.check(CoroutineCheck(knows), ADDRESS)) == "knows returned True"
    with pytest.raises(Unhealthy, match="knows returned False"):
        run(loop.check(CoroutineCheck(knows), "192.0.2.2"))


def test_what_it_raises_is_the_reason_and_nothing_more() -> None:
    loop = UserLoop()
    with pytest.raises(Unhealthy, match="breaks raised LookupError: no such queue"):
        run(loop.check(CoroutineCheck(breaks), ADDRESS))
    with pytest.raises(Unhealthy, match="leaves raised SystemExit"):
        run(loop.check(CoroutineCheck(leaves), ADDRESS))
    assert run(loop.check(CoroutineCheck(knows), ADDRESS))


def test_it_is_cancelled_when_the_time_is_over() -> None:
    cancelled = threading.Event()

    async def waits(address: str) -> bool:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return True

    async def test() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await UserLoop().check(CoroutineCheck(waits), ADDRESS)

    run(test())
    assert cancelled.wait(5)


def test_one_that_blocks_does_not_hold_up_the_rest_of_the_process() -> None:
    async def blocks(address: str) -> bool:
        time.sleep(1)
        return True

    async def test() -> None:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await UserLoop().check(CoroutineCheck(blocks), ADDRESS)
        assert time.monotonic() - began < 0.9

    run(test())
