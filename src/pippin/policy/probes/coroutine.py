"""A coroutine function of the user's, in a thread of its own: one that blocks holds up none but its like."""

from __future__ import annotations

import asyncio
import threading

from pippin.policy.checks import CoroutineCheck
from pippin.policy.probes.unhealthy import Unhealthy


class UserLoop:
    """An event loop in a thread. One that hangs cannot be ended, so the thread never keeps a process alive."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="user checks", daemon=True)
        self._thread.start()

    async def check(self, check: CoroutineCheck, address: str) -> str:
        """The target is well if the function returns something true; its exceptions are reasons why not."""
        future = asyncio.run_coroutine_threadsafe(_call(check, address), self._loop)
        result = await asyncio.wrap_future(future)  # cancelling this cancels that
        if not result:
            raise Unhealthy(f"{_name(check)} returned {result!r}")
        return f"{_name(check)} returned {result!r}"


async def _call(check: CoroutineCheck, address: str) -> bool:
    try:
        return await check.function(address)
    except (Exception, SystemExit) as error:  # the user's code: nothing it raises may end the loop
        raise Unhealthy(f"{_name(check)} raised {type(error).__name__}: {error}") from error


def _name(check: CoroutineCheck) -> str:
    return getattr(check.function, "__qualname__", repr(check.function))
