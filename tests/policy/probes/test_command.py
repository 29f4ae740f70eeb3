"""Checks by a program: its exit code, its words, its end when the time is over."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from pippin.policy.checks import CommandCheck
from pippin.policy.probes import command
from pippin.policy.probes.unhealthy import Unhealthy
from tests.policy.probes.servers import run


def ask(*arguments: str) -> str:
    try:
        return run(command.check(CommandCheck(list(arguments)), "192.0.2.1", "eu/192.0.2.10"))
    except Unhealthy as error:
        return f"not well: {error}"


def python(code: str) -> str:
    return ask(sys.executable, "-c", code)


def test_exit_code_decides_and_the_last_line_is_the_reason() -> None:
    assert python("print('first'); print('all well')") == "all well"
    assert python("pass") == "exit code 0"
    assert python("import sys; print('queue is full', file=sys.stderr); sys.exit(3)") == (
        "not well: exit code 3: queue is full"
    )
    assert python("import os; os.kill(os.getpid(), 9)") == "not well: ended by SIGKILL"


def test_placeholders_stand_for_what_is_checked() -> None:
    assert ask("echo", "{address}", "{pool}", "at={target}", "{other}") == (
        "192.0.2.1 eu at=eu/192.0.2.10 {other}"
    )


def test_there_is_no_shell() -> None:
    assert ask("echo", "$HOME; exit 1", "*") == "$HOME; exit 1 *"


def test_there_is_no_input() -> None:
    assert python("import sys; print(repr(sys.stdin.read()))") == "''"


def test_endless_words_are_not_kept() -> None:
    assert len(python("print('x' * 10_000_000)")) <= 200


def test_program_that_is_not_there_is_a_failure() -> None:
    with pytest.raises(FileNotFoundError):
        ask("/nowhere/probe")


def test_program_and_what_it_started_are_killed_when_the_time_is_over(tmp_path: Path) -> None:
    """Also when the program itself has ended, and only what it has left behind holds its output open."""
    pids = tmp_path / "pids"
    child = f"import os, time; open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n'); time.sleep(60)"

    async def test(wait: str) -> None:
        code = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {child!r}]); {wait}"
        check = CommandCheck([sys.executable, "-c", code])
        task = asyncio.create_task(command.check(check, "192.0.2.1", "eu/192.0.2.1"))
        while not pids.exists() or not pids.read_text().endswith("\n"):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    for wait in ("p.wait()", "pass"):
        pids.unlink(missing_ok=True)
        run(test(wait))
        pid = int(pids.read_text())
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and _is_running(pid):
            time.sleep(0.01)
        assert not _is_running(pid)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
