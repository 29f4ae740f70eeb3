"""A program of the operator's, without a shell. When its time is over it is killed, with all that it has started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from asyncio.subprocess import PIPE, STDOUT

from pippin.policy.checks import CommandCheck
from pippin.policy.probes.unhealthy import Unhealthy, shortened

OUTPUT_LIMIT = 4096
"""Octets of what a program says that are kept; its last words are the reason."""
CLOSE_PATIENCE = 1.0
"""Seconds from killing to the end of all output; only what has left the process group can hold it open longer."""


async def check(check: CommandCheck, address: str, target: str) -> str:
    """The target is well if the program ends with exit code 0; `target` is `<pool>/<address>`."""
    words = {"{address}": address, "{target}": target, "{pool}": target.partition("/")[0]}
    process = await asyncio.create_subprocess_exec(
        *(_filled_in(argument, words) for argument in check.command),
        stdin=subprocess.DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,  # a process group of its own: what it starts can be killed with it
    )
    assert process.stdout is not None
    try:
        said = await _last_words(process.stdout)
        status = await process.wait()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_PATIENCE):
                await _last_words(process.stdout)
        raise
    if status:
        how = f"exit code {status}" if status > 0 else f"ended by {signal.Signals(-status).name}"
        raise Unhealthy(f"{how}: {said}" if said else how)
    return said or "exit code 0"


def _filled_in(argument: str, words: dict[str, str]) -> str:
    for placeholder, word in words.items():
        argument = argument.replace(placeholder, word)
    return argument


async def _last_words(output: asyncio.StreamReader) -> str:
    """The last line of what is said until the end, or of the last of it."""
    tail = b""
    while data := await output.read(OUTPUT_LIMIT):
        tail = (tail + data)[-OUTPUT_LIMIT:]
    lines = tail.decode("utf-8", "replace").strip().splitlines()
    return shortened(lines[-1]) if lines else ""
