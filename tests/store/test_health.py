"""The health table: one process writes, others see it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from pippin.store.health import (
    DOWN,
    DRAINED,
    FORCED_DOWN,
    FORCED_UP,
    LOAD_UNKNOWN,
    NO_OVERRIDE,
    ROW_SIZE,
    ROWS_LIMIT,
    UNKNOWN,
    UP,
    HealthError,
    HealthRow,
    HealthTable,
)


def test_target_nobody_has_checked_is_available(tmp_path: Path) -> None:
    table = HealthTable.create(tmp_path / "health.1", 2)
    assert len(table) == 2
    assert table.row(1) == HealthRow(True, UNKNOWN, NO_OVERRIDE, LOAD_UNKNOWN, 0)


def test_first_octet_of_a_row_says_whether_it_is_available(tmp_path: Path) -> None:
    table = HealthTable.create(tmp_path / "health.1", 3)
    assert table.set_checked(1, False, 1000)
    assert bytes(table.memory[::ROW_SIZE]) == b"\x01\x00\x01"
    assert table.row(1) == HealthRow(False, DOWN, NO_OVERRIDE, LOAD_UNKNOWN, 1000)


def test_since_is_the_time_of_the_last_change_of_availability(tmp_path: Path) -> None:
    table = HealthTable.create(tmp_path / "health.1", 1)
    assert not table.set_checked(0, True, 1000)  # unknown counted as available before
    assert table.row(0) == HealthRow(True, UP, NO_OVERRIDE, LOAD_UNKNOWN, 0)
    assert table.set_checked(0, False, 2000)
    assert not table.set_checked(0, False, 3000)
    assert table.row(0).since == 2000
    assert table.set_checked(0, None, 4000)
    assert table.row(0) == HealthRow(True, UNKNOWN, NO_OVERRIDE, LOAD_UNKNOWN, 4000)


@pytest.mark.parametrize(("override", "available"), [(FORCED_UP, True), (FORCED_DOWN, False), (DRAINED, False)])
def test_override_decides_whatever_checks_find(tmp_path: Path, override: int, available: bool) -> None:
    table = HealthTable.create(tmp_path / "health.1", 1)
    table.set_override(0, override, 1)
    for up in (True, False, None):
        assert not table.set_checked(0, up, 2)
        assert table.row(0).available is available
    table.set_checked(0, False, 3)
    table.set_override(0, NO_OVERRIDE, 4)
    assert table.row(0) == HealthRow(False, DOWN, NO_OVERRIDE, LOAD_UNKNOWN, 4 if available else 1)


def test_load_is_in_thousandths_and_never_wraps(tmp_path: Path) -> None:
    table = HealthTable.create(tmp_path / "health.1", 2)
    table.set_load(1, 730)
    assert [table.row(row).load for row in (0, 1)] == [LOAD_UNKNOWN, 730]
    table.set_load(1, 1 << 40)
    assert table.row(1).load == LOAD_UNKNOWN - 1
    table.set_load(1, None)
    assert table.row(1).load == LOAD_UNKNOWN


def test_row_is_carried_over_to_the_next_table_as_it_was(tmp_path: Path) -> None:
    old = HealthTable.create(tmp_path / "health.1", 1)
    old.set_checked(0, False, 1000)
    old.set_override(0, DRAINED, 1500)
    old.set_load(0, 10)
    new = HealthTable.create(tmp_path / "health.2", 2)
    new.restore(1, old.row(0))
    assert new.row(1) == old.row(0)
    assert new.row(0).available


def test_only_one_process_writes(tmp_path: Path) -> None:
    table = HealthTable.create(tmp_path / "health.1", 1)
    with pytest.raises(HealthError, match="another process writes it"):
        HealthTable.open(tmp_path / "health.1", writable=True)
    HealthTable.open(tmp_path / "health.1").close()
    table.close()
    HealthTable.open(tmp_path / "health.1", writable=True).close()


def test_reader_cannot_write(tmp_path: Path) -> None:
    HealthTable.create(tmp_path / "health.1", 1).close()
    with pytest.raises(TypeError):
        HealthTable.open(tmp_path / "health.1").set_checked(0, False, 1)


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "health.1").write_bytes(b"x" * 17)
    with pytest.raises(HealthError, match="is not a health table"):
        HealthTable.open(tmp_path / "health.1")
    with pytest.raises(HealthError, match="65,537 targets, at most 65,536"):
        HealthTable.create(tmp_path / "health.2", ROWS_LIMIT + 1)
    with pytest.raises(FileExistsError):
        HealthTable.create(tmp_path / "health.1", 1)


WRITER = """
import sys
from pippin.store.health import HealthTable
table = HealthTable.open(sys.argv[1], writable=True)
print("ready", flush=True)
for line in sys.stdin:
    table.set_checked(1, line == "up\\n", 7)
"""


def test_flip_is_seen_by_another_process_at_once(tmp_path: Path) -> None:
    path = tmp_path / "health.1"
    HealthTable.create(path, 2).close()
    table = HealthTable.open(path)
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        for command, available in (("down", False), ("up", True)) * 5:
            writer.stdin.write(command + "\n")
            writer.stdin.flush()
            deadline = time.monotonic() + 5
            while table.row(1).available is not available and time.monotonic() < deadline:
                pass
            assert table.row(1).available is available
        writer.stdin.close()
    assert table.row(1).since == 7
