"""Reading many zones: in order, by several processes when there are enough of them.

Order matters (of two places with the same zone the first one listed wins), so results come in the order asked for.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import repeat

import structlog

from pippin.control.changes import Prepared, prepare
from pippin.control.places import Place

log = structlog.get_logger(__name__)

PARALLEL_FROM = 1000
"""Zones worth a second process: one takes 0.3 s to start, in which it could have read as many zones."""

CHUNK = 50
"""Zones a process takes at a time: few enough to share the work evenly, enough to forget the cost of handing over."""


def prepare_all(places: list[Place], seed: int) -> Generator[Prepared, None, None]:
    """`prepare` for each place, in this order. Close the iterator to stop early."""
    processes = min(len(os.sched_getaffinity(0)), len(places) // PARALLEL_FROM + 1)
    done = 0
    if processes > 1:
        try:
            for prepared in _by_processes(places, seed, processes):
                yield prepared
                done += 1
        except BrokenProcessPool:
            log.error(
                "a process that read zones was killed, going on in one process", zones_left=len(places) - done
            )
    for place in places[done:]:
        yield prepare(place, seed)


def _by_processes(places: list[Place], seed: int, processes: int) -> Iterator[Prepared]:
    # Fresh interpreters: this one runs threads and a loop, which a fork would copy in mid-flight.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, initializer=_ignore_interrupt)
    try:
        yield from pool.map(prepare, places, repeat(seed), chunksize=CHUNK)
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_interrupt() -> None:
    """Ctrl-C reaches the whole process group; the control process is the one that decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
