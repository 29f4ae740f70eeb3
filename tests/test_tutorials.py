"""What the tutorials tell the reader to type is what works, and shows what they say it shows.

A tutorial is read from top to bottom. A block with a file name behind its language is that file, and the same as the
one in `examples/`. A `console` block has commands behind `$`, and below each what it shows, where `…` stands for
anything. A command that ends in `&` runs on; one that shows something else at first is given some time to show the
right thing, for servers start and health checks fail in their own time.
"""

from __future__ import annotations

import fnmatch
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.peers.server import free_port, program

ROOT = Path(__file__).parent.parent
TUTORIALS = sorted((ROOT / "docs" / "tutorial").glob("*.md"))
PATIENCE = 30.0
"""Seconds for a command to show what the tutorial says."""

Block = tuple[str, str, str]


def blocks(page: Path) -> list[Block]:
    """(language, file name or "", text) of every block."""
    found = re.findall(r"^```(\w*) ?(\S*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return found


@contextmanager
def shell(folder: Path, ports: dict[str, int]) -> Iterator[Shell]:
    opened = Shell(folder, ports)
    try:
        yield opened
    finally:
        opened.close()


class Shell:
    """Runs a tutorial's commands in a folder, with other ports than it names and a control socket of its own."""

    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        self._folder = folder
        self._ports = ports
        self._running: list[subprocess.Popen[bytes]] = []
        self._log = (folder / ".output").open("wb")
        commands = folder / ".bin"
        commands.mkdir()
        control = f"--control {folder}/.control"
        pippin = f"""#!/bin/sh
case $1 in
    serve) set -- "$@" {control} --listen 127.0.0.1:{ports["5300"]} --workers 1 ;;
    status|health|reload|explain) set -- "$@" {control} ;;
esac
exec {sys.executable} -m pippin "$@"
"""
        # Whether or not Pippin is installed with its entry points, the plugin is loaded, and once.
        pytest_ = f"""#!/bin/sh
PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 exec {sys.executable} -m pytest -p pippin.testing.plugin "$@"
"""
        for name, text in (("pippin", pippin), ("pytest", pytest_)):
            (commands / name).write_text(text)
            (commands / name).chmod(0o755)
        path = f"{commands}:{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
        self._environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"}

    def with_ports(self, text: str) -> str:
        for written, port in self._ports.items():
            text = re.sub(rf"\b{written}\b", str(port), text)
        return text

    def write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(self.with_ports(text))

    def run(self, command: str, expected: str) -> None:
        command, expected = self.with_ports(command), self.with_ports(expected)
        if command.endswith("&"):
            self._start(command.removesuffix("&"))
            return
        shown = ""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            result = subprocess.run(
                ["bash", "-c", command],
                cwd=self._folder,
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=60,
            )
            shown = result.stdout + result.stderr
            if shows(shown, expected):
                return
            time.sleep(0.2)
        output = (self._folder / ".output").read_text(errors="replace")
        pytest.fail(
            f"$ {command}\n{shown}\nbut the tutorial says\n{expected}\nand in the background:\n{output}"
        )

    def _start(self, command: str) -> None:
        self._running.append(
            subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self._folder,
                env=self._environment,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        )

    def close(self) -> None:
        for process in self._running:
            process.send_signal(signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._log.close()


def shows(shown: str, expected: str) -> bool:
    """Whether lines are as expected, but for blanks at their ends and what `…` stands for, whole lines included."""
    pattern = "\n".join(line.rstrip() for line in expected.strip("\n").split("\n"))
    for character in "[?*":
        pattern = pattern.replace(character, f"[{character}]")
    lines = "\n".join(line.rstrip() for line in shown.strip("\n").split("\n"))
    return fnmatch.fnmatchcase(lines, pattern.replace("…", "*"))


def commands(text: str) -> Iterator[tuple[str, str]]:
    """(command, what it shows) of a console block."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        while command.endswith("\\"):
            more, _, expected = expected.partition("\n")
            command = command[:-1] + more
        yield command, expected


def examples_of(page: Path) -> Path:
    return ROOT / "examples" / page.stem


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_files_are_in_examples(page: Path) -> None:
    shown = {name: text for _, name, text in blocks(page) if name}
    kept = {path.name: path.read_text() for path in examples_of(page).iterdir() if path.is_file()}
    assert shown == kept


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_commands_show_what_the_tutorial_says(page: Path, tmp_path: Path) -> None:
    program("dig", "bind9-dnsutils")
    with shell(tmp_path, {"5300": free_port(), "8080": free_port()}) as here:
        for language, name, text in blocks(page):
            if name:
                here.write(name, text)
            elif language == "console":
                for command, expected in commands(text):
                    here.run(command, expected)


@pytest.mark.parametrize(
    ("shown", "expected", "right"),
    [
        ("a  \nb\n", "a\nb", True),
        ("a\nb\n", "a", False),
        ("a\nmore\nb\n", "a\n…\nb", True),
        ("took 0.1 s [x]", "took … s [x]", True),
        ("", "", True),
        ("error", "", False),
    ],
)
def test_comparison(shown: str, expected: str, right: bool) -> None:
    assert shows(shown, expected) is right
