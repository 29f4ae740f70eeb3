"""Several machines on one: network namespaces, joined by a bridge in a namespace of its own.

    with network("database", "one", "two") as machines:
        with machines["one"].inside():
            ...  # sockets made here are made on that machine

Nothing of the host's own network is touched. Each machine can be cut off in the ways that real ones are: its link
goes down, or packets just vanish on the way.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

CLONE_NEWNET = 0x40000000
NAMESPACES = Path("/run/netns")
SYSTEM_FOLDERS = "/usr/sbin:/usr/bin:/sbin:/bin"

_numbers = count(1)
_libc = ctypes.CDLL(None, use_errno=True)


class Machine:
    """One network namespace with one link to the bridge."""

    def __init__(self, name: str, address: str, switch: str, port: str) -> None:
        self.name = name
        self.address = address
        self._switch = switch
        self._port = port

    @property
    def command(self) -> Sequence[str]:
        """What stands in front of a command that is to run there; its process id stays the same."""
        return ["nsenter", f"--net={NAMESPACES / self.name}"]

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread, and those that it starts, make their sockets there."""
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(NAMESPACES / self.name, os.O_RDONLY)
        try:
            _enter(there)
            try:
                yield
            finally:
                _enter(here)
        finally:
            os.close(there)
            os.close(here)

    def unplug(self) -> None:
        """The link goes down: the machine knows that it has no way to anybody."""
        _ip("-n", self.name, "link", "set", "eth0", "down")

    def plug_in(self) -> None:
        _ip("-n", self.name, "link", "set", "eth0", "up")

    def lose_packets(self) -> None:
        """Everything sent, either way, vanishes; nobody is told."""
        _ip("-n", self._switch, "link", "set", self._port, "nomaster")

    def find_packets(self) -> None:
        _ip("-n", self._switch, "link", "set", self._port, "master", "bridge")


@contextmanager
def network(*names: str) -> Iterator[dict[str, Machine]]:
    """A machine for each name. Where namespaces cannot be made the test is skipped; in CI it fails."""
    with ExitStack() as stack:
        try:
            machines = _build(names, stack)
        except (OSError, subprocess.CalledProcessError) as error:
            why = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else error
            reason = f"network namespaces cannot be made here: {why}"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        yield machines


def _build(names: Sequence[str], stack: ExitStack) -> dict[str, Machine]:
    _forget_strays()
    prefix = f"pippin{os.getpid()}-{next(_numbers)}"
    switch = f"{prefix}-switch"
    _make_namespace(switch, stack)
    _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
    _ip("-n", switch, "link", "set", "bridge", "up")
    machines = {}
    for number, name in enumerate(names, 1):
        machine = Machine(f"{prefix}-{name}", f"10.99.0.{number}", switch, f"port{number}")
        _make_namespace(machine.name, stack)
        port = f"port{number}"
        _ip("-n", switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", machine.name)
        _ip("-n", switch, "link", "set", port, "master", "bridge", "up")
        _ip("-n", machine.name, "address", "add", f"{machine.address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            _ip("-n", machine.name, "link", "set", link, "up")
        machines[name] = machine
    return machines


def _forget_strays() -> None:
    """Test runs that were killed leave namespaces behind."""
    for path in NAMESPACES.glob("pippin*-*"):
        owner = path.name.removeprefix("pippin").partition("-")[0]
        if owner.isdecimal() and not Path("/proc", owner).exists():
            with suppress(subprocess.CalledProcessError):  # another run was quicker
                _ip("netns", "delete", path.name)


def _make_namespace(name: str, stack: ExitStack) -> None:
    _ip("netns", "add", name)
    stack.callback(_ip, "netns", "delete", name)


def _ip(*arguments: str) -> None:
    program = shutil.which("ip", path=SYSTEM_FOLDERS)
    if program is None:
        raise FileNotFoundError("there is no program ip (Debian: apt install iproute2)")
    subprocess.run([program, *arguments], check=True, capture_output=True, text=True, timeout=30)


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
