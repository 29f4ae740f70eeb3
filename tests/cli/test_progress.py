"""A start that takes its time shows on a terminal how far it is, whatever zones are read from."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from tests.source.sql.tables import Tables

ZONES = 3000
HELD_SECONDS = 1.5
"""The database is locked for so long at first: more than it takes until a progress bar appears."""


def test_progress_of_a_database_is_shown(tmp_path: Path) -> None:
    tables = Tables(f"sqlite:///{tmp_path}/zones.db")
    numbers = f"WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < {ZONES})"
    tables.do(f"{numbers} INSERT INTO domains (id, name, type) SELECT n, 'zone' || n || '.test', 'NATIVE' FROM t")
    for kind, name, content in (
        ("SOA", "", "'ns1.elsewhere.test hostmaster.elsewhere.test 1 2 3 4 5'"),
        ("NS", "", "'ns1.elsewhere.test'"),
        ("A", "'www.' ||", "'192.0.2.1'"),
    ):
        row = f"n, {name} 'zone' || n || '.test', '{kind}', {content}, 300"
        tables.do(f"{numbers} INSERT INTO records (domain_id, name, type, content, ttl) SELECT {row} FROM t")
    tables.close()
    holder = sqlite3.connect(tmp_path / "zones.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "pippin", "serve", "--database", f"sqlite:///{tmp_path}/zones.db"]
    options = ["--listen", "127.0.0.1:0", "--workers", "1", "--control", str(tmp_path / "control.sock")]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "NO_COLOR": "1"}
    server = subprocess.Popen([*command, *options], stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown, held_until, end = b"", time.monotonic() + HELD_SECONDS, time.monotonic() + 90
    try:
        while b"try:  dig" not in shown and time.monotonic() < end and server.poll() is None:
            if holder.in_transaction and time.monotonic() > held_until:
                holder.execute("ROLLBACK")
            if select.select([ours], [], [], 0.1)[0]:
                shown += os.read(ours, 65536)
    finally:
        holder.close()
        server.send_signal(signal.SIGINT)
        server.wait(20)
        os.close(ours)
    text = shown.decode(errors="replace")
    assert f"{ZONES:,} zones in all" in text
    assert "reading zones" in text
    percents = [int(found) for found in re.findall(r"(\d+)%", text)]
    assert percents, text[-2000:]
    assert percents == sorted(percents)
    assert any(0 < percent < 100 for percent in percents)
