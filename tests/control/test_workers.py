"""Worker processes as their slot sees them: started, told, replaced, given up."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest
import structlog.testing

from pippin.control import workers
from pippin.control.settings import Settings
from pippin.control.workers import GIVE_UP_AFTER, WorkerFailure, WorkerSlot, worker_count
from pippin.serve.listen import Address
from pippin.serve.options import WorkerOptions


@pytest.fixture
def slot(monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerSlot]:
    monkeypatch.setattr(workers, "PAUSE_FIRST", 0.001)
    slot = WorkerSlot([Address("127.0.0.1", 0)], WorkerOptions(0, (), "nowhere", bytes(16)))
    yield slot
    slot.end()


def replace_worker(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Run `program` instead of a worker; `control` is its end of the control socket."""
    code = f"import socket, sys; control = socket.socket(fileno=int(sys.argv[1])).makefile('rw'); {program}"

    def spawn(
        control: workers.socket.socket, sockets: list[workers.socket.socket]
    ) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", code, str(control.fileno())]
        return subprocess.Popen(command, pass_fds=[control.fileno(), *(s.fileno() for s in sockets)])

    monkeypatch.setattr(workers, "_spawn", spawn)


def test_worker_that_never_answers_is_given_up(slot: WorkerSlot, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_worker(monkeypatch, "sys.exit(3)")
    with (
        structlog.testing.capture_logs() as logs,
        pytest.raises(WorkerFailure, match="before it answered: exit 3"),
    ):
        asyncio.run(asyncio.wait_for(slot.keep(asyncio.Event()), 20))
    assert len(logs) == slot.restarts == GIVE_UP_AFTER - 1


def test_worker_that_has_answered_is_replaced_for_ever(
    slot: WorkerSlot, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = 'print(\'{"event": "answering"}\', file=control, flush=True); sys.exit(1)'
    replace_worker(monkeypatch, answers)

    async def test() -> None:
        keeping = asyncio.create_task(slot.keep(asyncio.Event()))
        while slot.restarts < GIVE_UP_AFTER + 2:
            await asyncio.sleep(0.01)
        assert not keeping.done()
        keeping.cancel()

    with structlog.testing.capture_logs():
        asyncio.run(asyncio.wait_for(test(), 20))


def test_long_pauses_give_up_the_sockets_so_that_others_get_the_clients(
    slot: WorkerSlot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "PAUSE_FIRST", 60.0)
    replace_worker(monkeypatch, "sys.exit(1)")

    async def test() -> None:
        slot.bind()
        keeping = asyncio.create_task(slot.keep(asyncio.Event()))
        while slot.restarts < 2:
            await asyncio.sleep(0.01)
        assert not slot._sockets
        keeping.cancel()

    with structlog.testing.capture_logs() as logs:
        asyncio.run(asyncio.wait_for(test(), 20))
    assert [entry["pause"] for entry in logs] == [0.0, workers.PAUSE_MOST]


ANSWERS_UNTIL_TOLD = """
import json
options = json.loads(control.readline())
if options['version'] == 'broken':
    print(json.dumps({'event': 'failed', 'problems': ['traffic.py:1: broken']}), file=control, flush=True)
    sys.exit(1)
print(json.dumps({'event': 'answering'}), file=control, flush=True)
for line in control:
    if json.loads(line)['do'] in ('drain', 'stop'):
        break
"""


class Pages:
    """The pages of counters that are in use."""

    def __init__(self) -> None:
        self.occupied: set[int] = set()

    def occupy(self, page: int) -> None:
        assert page not in self.occupied
        self.occupied.add(page)

    def vacate(self, page: int) -> None:
        self.occupied.remove(page)


def test_worker_is_replaced_by_one_with_other_options_on_the_same_sockets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replace_worker(monkeypatch, f"exec({ANSWERS_UNTIL_TOLD!r})")
    pages = Pages()

    async def test() -> None:
        options = WorkerOptions(0, (), "nowhere", bytes(16))
        slot = WorkerSlot([Address("127.0.0.1", 0)], options, (0, 1), pages.occupy, pages.vacate)
        may_answer = asyncio.Event()
        may_answer.set()
        keeping = asyncio.create_task(slot.keep(may_answer))
        await slot.answering.wait()
        sockets, seen = list(slot._sockets), [slot.pid]
        for number in range(3):
            await slot.prepare(msgspec.structs.replace(options, version=str(number)), may_answer)
            assert pages.occupied == {0, 1}
            assert slot.pid == seen[-1], "the old one answers until told otherwise"
            slot.take_over()
            assert slot.pid not in seen
            seen.append(slot.pid)
        with pytest.raises(WorkerFailure, match=r"^traffic\.py:1: broken$"):
            await slot.prepare(msgspec.structs.replace(options, version="broken"), may_answer)
        slot.abandon()
        await slot.prepare(msgspec.structs.replace(options, version="fine, but another worker is not"), may_answer)
        slot.abandon()
        assert (slot.pid, slot.options.version, slot.restarts) == (seen[-1], "2", 0)
        assert slot._sockets == sockets
        assert slot.answering.is_set()
        slot.stop("drain")
        await keeping
        assert slot.gone.is_set()
        assert not pages.occupied
        slot.end()

    asyncio.run(asyncio.wait_for(test(), 20))


def test_worker_that_dies_while_another_is_prepared_is_replaced_by_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replace_worker(monkeypatch, f"exec({ANSWERS_UNTIL_TOLD!r})")

    async def test() -> None:
        options = WorkerOptions(0, (), "nowhere", bytes(16))
        slot = WorkerSlot([Address("127.0.0.1", 0)], options, (0, 1))
        may_answer = asyncio.Event()
        may_answer.set()
        keeping = asyncio.create_task(slot.keep(may_answer))
        await slot.answering.wait()
        await slot.prepare(options, may_answer)
        assert slot.pid is not None
        os.kill(slot.pid, signal.SIGKILL)
        slot.take_over()
        pid = slot.pid
        await asyncio.sleep(0.3)
        assert (slot.pid, slot.restarts) == (pid, 0)
        slot.stop("stop")
        await keeping
        slot.end()

    asyncio.run(asyncio.wait_for(test(), 20))


def test_one_worker_a_core_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda pid: {0, 3, 5})
    assert worker_count(0) == 3
    assert worker_count(2) == 2


def test_workers_have_the_defaults_of_the_settings() -> None:
    options = WorkerOptions(0, (), "nowhere", bytes(16))
    for name in set(WorkerOptions.__struct_fields__) & set(Settings.__struct_fields__):
        assert getattr(options, name) == getattr(Settings(), name), name
