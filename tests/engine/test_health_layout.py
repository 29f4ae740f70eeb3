"""The engine and the health table mean the same octets; the engine, being below, has numbers of its own."""

from __future__ import annotations

from pathlib import Path

from pippin.engine import memo
from pippin.store import health


def test_numbers_of_both(tmp_path: Path) -> None:
    assert memo.HEALTH_ROW_SIZE == health.ROW_SIZE
    assert {number for number in range(4) if number >= memo.BY_HAND_DOWN} == {health.FORCED_DOWN, health.DRAINED}
    table = health.HealthTable.create(tmp_path / "health", 2)
    for override in (health.NO_OVERRIDE, health.FORCED_UP, health.FORCED_DOWN, health.DRAINED):
        table.set_override(1, override, 1)
        assert table.memory[memo.HEALTH_ROW_SIZE + memo.HEALTH_OVERRIDE] == override
        assert table.memory[memo.HEALTH_ROW_SIZE] == (override < memo.BY_HAND_DOWN)
    table.close()
