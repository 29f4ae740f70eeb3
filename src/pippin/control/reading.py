"""Reading zones: in order, many by several processes, a large one by a process of its own.

Order matters (of two places with the same zone the first one listed wins), so results come in the order asked for.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from itertools import repeat

import structlog

from pippin.control import apart
from pippin.control.changes import Prepared
from pippin.control.marks import NO_MARKS, Marks
from pippin.control.places import Place

log = structlog.get_logger(__name__)

PARALLEL_FROM = 1000
"""Zones worth a second process: one takes 0.3 s to start, in which it could have read as many zones."""

CHUNK = 50
"""Zones a process takes at a time: few enough to share the work evenly, enough to forget the cost of handing over."""


LARGE = 8 << 20
"""Bytes of a file that is read by a process of its own: a quarter of a second's work, against the tenth of a second
that its start costs; and the heap that it takes, fourteen times the file, goes away with it."""


def prepare_all(places: list[Place], seed: int, marks: Marks = NO_MARKS) -> Generator[Prepared, None, None]:
    """`prepare` for each place, in this order. Close the iterator to stop early."""
    processes = min(len(os.sched_getaffinity(0)), len(places) // PARALLEL_FROM + 1)
    done = 0
    if processes > 1:
        # Not on top, like everything that a restart with nothing changed can do without.
        from concurrent.futures.process import BrokenProcessPool

        try:
            for prepared in _by_processes(places, seed, marks, processes):
                yield prepared
                done += 1
        except BrokenProcessPool:
            log.error(
                "a process that read zones was killed, going on in one process", zones_left=len(places) - done
            )
    for place in places[done:]:
        yield _prepare(place, seed, marks)


def get_ready() -> None:
    """Import what reading takes, a tenth of a second's work, before somebody waits for it."""
    import pippin.control.prepare  # noqa: F401


def stop() -> None:
    """End what large zones are being read by, so that nobody has to wait for it."""
    apart.stop()


def _prepare(place: Place, seed: int, marks: Marks) -> Prepared:
    if place.database is not None:
        return _prepare_here(place, seed, marks)
    try:
        is_large = os.stat(place.path).st_size >= LARGE
    except OSError:
        is_large = False  # that it is not there is for the reader to say
    return apart.prepare_apart(place, seed, marks) if is_large else _prepare_here(place, seed, marks)


def _prepare_here(place: Place, seed: int, marks: Marks) -> Prepared:
    from pippin.control.prepare import prepare

    return prepare(place, seed, marks=marks)


def _by_processes(places: list[Place], seed: int, marks: Marks, processes: int) -> Iterator[Prepared]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # Fresh interpreters: this one runs threads and a loop, which a fork would copy in mid-flight.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, initializer=_ignore_interrupt)
    try:
        yield from pool.map(_prepare_here, places, repeat(seed), repeat(marks), chunksize=CHUNK)
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_interrupt() -> None:
    """Ctrl-C reaches the whole process group; the control process is the one that decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
