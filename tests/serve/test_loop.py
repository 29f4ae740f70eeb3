"""What a start has to import, and what it must not."""

from __future__ import annotations

import subprocess
import sys

from pippin.serve.loop import run_loop


def test_a_start_with_nothing_to_read_imports_neither_dnspython_nor_the_worker() -> None:
    program = """
import sys
import pippin.cli.serve, pippin.control.supervisor
print(sorted({"dns", "pippin.serve.worker", "pippin.engine.scan", "rich"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_run_loop_gives_what_its_coroutine_returns() -> None:
    async def seven() -> int:
        return 7

    assert run_loop(seven()) == 7
