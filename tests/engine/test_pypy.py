"""The engine's sources also run under PyPy (Debian 12 has it with Python 3.9)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.peers.server import program

SOURCES = Path(__file__).parents[2] / "src"
MODULES = sorted(
    path.stem for path in (SOURCES / "pippin" / "engine").glob("*.py") if path.stem != "__init__"
)

COMPILE_A_ZONE = """
from pippin.engine.compile import compile_zone, is_compiled
from pippin.engine.records import append
stream = bytearray()
origin = b"\\4test\\0"
append(stream, origin, 6, 60, b"\\2ns" + origin + b"\\0" + bytes(20))
append(stream, origin, 2, 60, b"\\2ns" + origin)
append(stream, b"\\2ns" + origin, 1, 60, bytes([192, 0, 2, 1]))
image, findings = compile_zone(stream, origin, 1)
assert len(image) and not findings and not is_compiled()
"""


def run(code: str) -> None:
    result = subprocess.run(
        [program("pypy3", "pypy3"), "-c", code],
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("module", MODULES)
def test_module_imports(module: str) -> None:
    run(f"import pippin.engine.{module}")


def test_a_zone_compiles() -> None:
    run(COMPILE_A_ZONE)
