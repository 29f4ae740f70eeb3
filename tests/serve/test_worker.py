"""What a worker process does beside answering, which `test_in_process` covers."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(("hard", "soft_after", "warned"), [(4096, 2048, False), (512, 512, True)])
def test_limit_of_open_files_is_raised_as_far_as_it_goes(hard: int, soft_after: int, warned: bool) -> None:
    program = f"""
import resource
from pippin.serve import logs, worker
logs.configure()
resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}))
worker.allow_files(2048)
worker.allow_files(100)
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"({soft_after}, {hard})\n"
    assert ("the limit of open files is below tcp_clients limit=512 needed=2048" in done.stderr) is warned
