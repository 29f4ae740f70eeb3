"""The process that looks names up for a worker: what comes back, what is refused, and how it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import dns.name
import pytest

from pippin.query.reply import Reply
from pippin.serve.lookers import InProcess, Landing, Wanted
from pippin.source.live import LiveSettings, LookUpError
from tests.source.sql.tables import Tables

PATIENCE = 30.0


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    tables = Tables(f"sqlite:///{tmp_path / 'zones.db'}")
    tables.add_zone("one.test", *[("big.one.test", "TXT", f'"{n:04}{"x" * 200}"') for n in range(250)])
    yield tables.url
    tables.close()


def wire(text: str) -> bytes:
    return dns.name.from_text(text).canonicalize().to_wire() or b""


def wanted(number: int, name: str, rdtype: int = 1, patience: float = PATIENCE) -> Wanted:
    now = time.monotonic()
    return Wanted(number, wire(name), rdtype, now + patience, now + patience)


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(2 * PATIENCE):
            await work()

    asyncio.run(bounded())


async def landed(looker: InProcess, *questions: Wanted) -> dict[int, Landing]:
    found: dict[int, Landing] = {}
    await looker.start(lambda landing: found.update({landing.number: landing}))
    for question in questions:
        looker.ask(question)
    while len(found) < len(questions):
        await asyncio.sleep(0.01)
    looker.close()
    return found


def test_every_look_up_lands_with_its_zone(url: str) -> None:
    async def work() -> None:
        names = ["www.one.test", "nothing.one.test", "www.two.test"]
        looker = InProcess(LiveSettings(url))
        found = await landed(looker, *(wanted(number, name) for number, name in enumerate(names)))
        address, nothing, nowhere = (found[number] for number in range(3))
        assert isinstance(address.found, Reply)
        assert (address.found.rcode, address.found.answers, address.origin) == (0, 1, wire("one.test"))
        assert isinstance(nothing.found, Reply)
        assert (nothing.found.rcode, nothing.found.authorities) == (3, 1)
        assert (nowhere.found, nowhere.origin) == (None, b"")

    run(work)


def test_more_and_larger_answers_than_a_socket_holds(url: str) -> None:
    async def work() -> None:
        looker = InProcess(LiveSettings(url))
        found = await landed(looker, *(wanted(number, "big.one.test", 16) for number in range(30)))
        replies = [landing.found for landing in found.values()]
        assert {reply.answers for reply in replies if isinstance(reply, Reply)} == {250}
        assert len(replies) == 30

    run(work)


def test_what_nobody_waits_for_any_more_is_not_looked_up(url: str) -> None:
    async def work() -> None:
        found = (await landed(InProcess(LiveSettings(url)), wanted(1, "www.one.test", patience=-1.0)))[1].found
        assert isinstance(found, LookUpError)
        assert found.timed_out

    run(work)


def test_source_that_is_away_is_said_without_its_password(tmp_path: Path) -> None:
    async def work() -> None:
        looker = InProcess(LiveSettings("postgresql://user:secret@127.0.0.1:1/zones"))
        found = (await landed(looker, wanted(1, "www.one.test")))[1].found
        assert isinstance(found, LookUpError)
        assert not found.timed_out
        assert "postgresql://user:***@127.0.0.1:1/zones" in str(found)

    run(work)


def test_what_cannot_be_a_source_is_said_at_the_start() -> None:
    async def work() -> None:
        with pytest.raises(LookUpError, match="no database URL"):
            await InProcess(LiveSettings("nonsense")).start(lambda landing: None)

    run(work)
