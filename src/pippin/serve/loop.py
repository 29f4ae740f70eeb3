"""The event loop of a process, and how long a worker goes on without the other one.

By itself because the control process needs no more of the workers' floor than this: a restart with nothing changed
must not wait for imports that only answering takes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

ORPHAN_PATIENCE = 10.0
"""Seconds a worker answers without its control process, so that one that is restarted finds clients unharmed.
Not longer: nobody tells an orphan about new zone data."""


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, on uvloop where it is installed: its TCP side is about twice as fast."""
    run: Callable[[Coroutine[Any, Any, T]], T] = asyncio.run
    with contextlib.suppress(ModuleNotFoundError):
        import uvloop

        run = uvloop.run
    return run(main)  # not inside `except`: all that is raised later would have the missing module in its traceback
