"""`explain` on the control socket, for programs: `pippin explain` in a process of its own.

Explaining runs policies, which the control process never does; and what a person is told and what a program is told
are the same this way. In: the command's words. Out: its JSON, or what it said was wrong.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

PATIENCE = 20.0
"""Seconds for starting an interpreter, reading the zones named, and running a policy."""

AT_ONCE = 2
"""Processes that explain at the same time; further requests wait."""

_places = asyncio.Semaphore(AT_ONCE)

Text = Annotated[str, Meta(max_length=1024)]


class Explain(Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="explain"):
    """What stands on the control socket: `{"do": "explain", "name": "www.example.com", "type": "A", "client": …}`."""

    name: Text
    client: Text
    type: Text = "A"
    down: tuple[Text, ...] = ()
    up: tuple[Text, ...] = ()
    drain: tuple[Text, ...] = ()
    at: Text | None = None


async def explain(
    command: dict[str, Any], files: Sequence[str], config: Path | None, control: Path
) -> dict[str, Any]:
    """`{"ok": true, "explanation": …}`, or `ok` false and `error`."""
    try:
        asked = msgspec.convert(command, Explain)
    except msgspec.ValidationError as error:
        return {"ok": False, "error": f"explain: {error}"}
    async with _places:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pippin", "explain"),
            *_words(asked, files, config, control),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(PATIENCE):
                output, errors = await process.communicate()
        except TimeoutError:
            return {"ok": False, "error": f"explain took more than {PATIENCE:g} s"}
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode != 0:
        return {"ok": False, "error": errors.decode("utf-8", "replace").strip()}
    return {"ok": True, "explanation": msgspec.json.decode(output)}


def _words(asked: Explain, files: Sequence[str], config: Path | None, control: Path) -> Iterable[str]:
    """The command line; values are joined to their options, and names stand behind `--`, so none is taken for one."""
    yield from ("--json", f"--client={asked.client}", f"--control={control}")
    yield from (f"--down={target}" for target in asked.down)
    yield from (f"--up={target}" for target in asked.up)
    yield from (f"--drain={target}" for target in asked.drain)
    if asked.at is not None:
        yield f"--at={asked.at}"
    if config is not None:
        yield f"--config={config}"
    yield from ("--", asked.name, asked.type, *files)
