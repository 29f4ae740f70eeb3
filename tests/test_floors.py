"""The house rules about who may import whom, read from the sources (ARCHITECTURE.md draws the floors)."""

from __future__ import annotations

import ast
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "pippin"

FLOORS = {
    "engine": 1,
    "zone": 2,
    "store": 3, "dnssec": 3, "query": 3,
    "source": 4, "policy": 4, "forward": 4, "transfer": 4, "update": 4,
    "serve": 5,
    "control": 6,
    "cli": 7,
    "testing": 8,
}  # fmt: skip
NOT_IN_ENGINE = {"dns", "asyncio", "logging", "structlog", "msgspec", "typer", "rich"}
FOR_CLI_ONLY = {"typer"}

ONE_UNIT = "C calls cannot cross modules without declaration files, which drift from the source"
MAY_BE_LARGE = {f"engine/{name}.py": ONE_UNIT for name in ("compile", "memo", "path", "scan")}

FOLDERS = sorted(path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__")
MODULES = sorted(PACKAGE.rglob("*.py")) + sorted(PACKAGE.rglob("*.pyx"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of everything a module imports, also inside functions."""
    text = path.read_text()
    if path.suffix == ".pyx":  # not Python, so not for ast; its imports are plain lines
        for number, line in enumerate(text.splitlines(), 1):
            if match := re.match(r"\s*(?:from\s+([\w.]+)\s+c?import|import\s+([\w.]+))", line):
                yield number, match[1] or match[2]
        return
    package = ("pippin", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join((*base, *filter(None, [node.module])))
            if origin == "pippin":
                for alias in node.names:
                    yield node.lineno, f"pippin.{alias.name}"
            else:
                yield node.lineno, origin


def breach(folder: str, imported: str) -> str | None:
    """What is wrong with `folder` importing `imported`, or None."""
    top, _, rest = imported.partition(".")
    if top == "pippin":
        other = rest.partition(".")[0]
        if other not in FLOORS or other == folder:
            return None
        if FLOORS[other] == FLOORS.get(folder):
            return "neighbours on a floor don't import each other"
        if FLOORS[other] > FLOORS.get(folder, 0):
            return "a floor imports lower floors only"
    elif folder == "engine" and top in NOT_IN_ENGINE:
        return "the engine knows bytes only"
    elif folder != "cli" and top in FOR_CLI_ONLY:
        return "the command line belongs to cli/"
    return None


def test_every_folder_has_a_floor() -> None:
    assert set(FOLDERS) <= set(FLOORS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_floor_imports_lower_floors_only(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: imports {name}: {wrong}"
        for path in MODULES
        if path.relative_to(PACKAGE).parts[0] == folder
        for line, name in imports(path)
        if (wrong := breach(folder, name))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("folder", "imported"),
    [
        ("zone", "pippin.serve.worker"),
        ("store", "pippin.query.reply"),
        ("engine", "pippin.zone"),
        ("engine", "dns.name"),
        ("engine", "asyncio"),
        ("serve", "typer"),
    ],
)
def test_a_breach_is_noticed(folder: str, imported: str) -> None:
    assert breach(folder, imported)


def test_list_of_compiled_modules_is_complete() -> None:
    marked = {path.stem for path in PACKAGE.glob("engine/*.py") if path.read_text().startswith("# cython:")}
    marked |= {path.stem for path in PACKAGE.glob("engine/*.pyx")}
    assert set(runpy.run_path(str(ROOT / "setup.py"))["COMPILED_MODULES"]) == marked


def test_no_module_is_past_30_kilobytes() -> None:
    large = {str(path.relative_to(PACKAGE)) for path in MODULES if path.stat().st_size > 30_000}
    assert large <= set(MAY_BE_LARGE)


def test_architecture_names_every_folder_and_no_other() -> None:
    named = set(re.findall(r"^  (\w+)/ ", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE))
    assert named == set(FOLDERS)
