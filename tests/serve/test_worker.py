"""What a worker process does beside answering, which `test_in_process` covers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pippin.query.query import Query, Transport
from pippin.query.reply import Reply
from pippin.serve.worker import Worker


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


class Remembering:
    """What a worker asks of its Responder here."""

    def __init__(self) -> None:
        self.changes = 7
        self.remembered: list[bytes] = []

    def generation(self) -> int:
        return self.changes

    def remember(self, query: bytes, now: int, ttl: int, *fields: object) -> None:
        self.remembered.append(query)


def test_an_answer_worked_out_before_a_zone_changed_is_not_remembered() -> None:
    worker = Worker.__new__(Worker)
    worker._responder = responder = Remembering()
    reply = Reply(b"", 0, 0, 0, ttl=60)
    for asked in (7, 6):
        query = Query(b"asked in %d" % asked, ("192.0.2.1", 53), Transport.UDP)
        query.generation = asked
        worker._remember(query, reply, 0)
    assert responder.remembered == [b"asked in 7"]
