"""The checker: a process that imports the policy files, says what they declare, and checks all targets.

`python -m pippin.policy.checker FD` is led by the control process over the socket FD (`policy/protocol.py`), so that
no code of the user's runs in control, and none of what checks are made of in a worker. It is the one writer of the
health table.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Iterable, Iterator

import msgspec

from pippin.policy.checks import JSONLoad, PrometheusLoad
from pippin.policy.load import Loaded, load_in_time
from pippin.policy.pools import Target
from pippin.policy.protocol import (
    Begin,
    Command,
    Declared,
    DeclaredPolicy,
    DeclaredTarget,
    Event,
    Failed,
    Flip,
    Override,
    Settled,
    States,
    Status,
    Stop,
    Warned,
)
from pippin.policy.schedule import OVERRIDES, Schedule, Watched, now_ms
from pippin.store.health import HealthError, HealthTable

LONGEST_LINE = 64 << 20
"""Octets of one message: what is known of all targets is the longest."""


class Checker:
    """What the process does, inside an event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def run(self) -> None:
        """Do what the control process says until it says stop, or has been gone for long enough."""
        begin = msgspec.json.decode(await self._reader.readline(), type=Begin)
        loaded = load_in_time(begin.files, begin.sources)
        if loaded.has_errors:
            self._tell(Failed(tuple(map(str, loaded.problems)), loaded.modules))
            return
        watched = tuple(watched_of(loaded.targets))
        try:
            table = table_for(begin, watched)
        except (HealthError, OSError) as error:
            self._tell(Failed((f"{begin.health_file}: {error}",), loaded.modules))
            return
        self._tell(declared(loaded))
        schedule = Schedule(
            table,
            watched,
            lambda target, up, why: self._tell(Flip(target, up, why)),
            lambda target, what, why: self._tell(Warned(target, what, why)),
        )
        schedule.start()
        settling = asyncio.create_task(self._settle(schedule))
        await self._obey(schedule, begin.orphan_patience)
        settling.cancel()
        await schedule.stop()

    async def _settle(self, schedule: Schedule) -> None:
        await schedule.wait_settled()
        self._tell(Settled())

    async def _obey(self, schedule: Schedule, orphan_patience: float) -> None:
        while line := await self._reader.readline():
            match msgspec.json.decode(line, type=Command):
                case Override(target, to):
                    schedule.override(target, to)
                    self._tell(States(schedule.states()))
                case Status():
                    self._tell(States(schedule.states()))
                case Stop():
                    return
        await asyncio.sleep(orphan_patience)

    def _tell(self, event: Event) -> None:
        if not self._writer.is_closing():
            self._writer.write(msgspec.json.encode(event) + b"\n")


def watched_of(targets: Iterable[Target]) -> Iterator[Watched]:
    """What to check; a target that has nothing to be asked at is never checked."""
    for target in targets:
        load = target.load if isinstance(target.load, JSONLoad | PrometheusLoad) else None
        if target.address is None:
            yield Watched(target.key, "")
        else:
            capacity = (load and load.capacity) or target.capacity or 1.0
            yield Watched(target.key, target.address, target.check, load, capacity)


def table_for(begin: Begin, watched: tuple[Watched, ...]) -> HealthTable:
    """The table to write: a new one with what is known, or the one that another checker has begun. `HealthError`."""
    keys = tuple(target.key for target in watched)
    if begin.resume is not None:
        if begin.resume != keys:
            raise HealthError("policy files have changed, other targets stand in them now")
        table = HealthTable.open(begin.health_file, writable=True)
    else:
        table = HealthTable.create(begin.health_file, len(keys))
    now = now_ms()
    for row, target in enumerate(watched):
        if target.check is not None and target.key in begin.known:
            table.restore(row, begin.known[target.key])
        table.set_override(row, OVERRIDES[begin.overrides.get(target.key, "auto")], now)
    return table


def declared(loaded: Loaded) -> Declared:
    """What the control process has to know of the files' content."""
    problems = [str(problem) for problem in loaded.problems]
    for target in loaded.targets:
        if target.check is not None and target.address is None:
            problems.append(f"target {target.key} is no address, so it is never checked; give it a check_address")
    return Declared(
        tuple(
            DeclaredPolicy(policy.name, policy.type, policy.options.ttl, str(policy.place), policy.owner, policy.rdtype)
            for policy in loaded.policies
        ),
        tuple(
            DeclaredTarget(target.key, target.check is not None and target.address is not None)
            for target in loaded.targets
        ),
        loaded.modules,
        loaded.sources,
        tuple(problems),
    )


async def _lead(control: int) -> None:
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=control), limit=LONGEST_LINE)
    await Checker(reader, writer).run()
    await writer.drain()
    writer.close()
    await writer.wait_closed()


def main() -> None:
    # Ctrl-C and a hang-up reach the whole process group; what they mean is the control process' say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asyncio.run(_lead(int(sys.argv[1])))


if __name__ == "__main__":
    main()
