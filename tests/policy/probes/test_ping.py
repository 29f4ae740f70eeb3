"""ICMP echo checks: on loopback where this process may, and what they say where it may not."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
from typing import Any

import pytest

from pippin.policy.checks import PingCheck
from pippin.policy.probes import ping
from pippin.policy.probes.unhealthy import Unhealthy
from tests.policy.probes.servers import run

SCRIPT = """
import asyncio, socket
from pippin.policy.checks import PingCheck
from pippin.policy.probes import ping
kinds = []
opened = ping._open
def noted(family):
    sock = opened(family)
    kinds.append(sock.type)
    return sock
ping._open = noted
for address in ("127.0.0.1", "::1"):
    print(asyncio.run(asyncio.wait_for(ping.check(PingCheck(), address), 5)))
assert kinds == [socket.SOCK_DGRAM] * 2, kinds
"""


def may_ping(family: socket.AddressFamily) -> bool:
    try:
        ping._open(family).close()
    except (Unhealthy, OSError):
        return False
    return True


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_echo_comes_back(family: socket.AddressFamily, address: str) -> None:
    if not may_ping(family):
        pytest.skip("this process may not send pings")
    assert run(ping.check(PingCheck(), address)) == "echo came back"


def test_unprivileged_ping_socket_is_enough() -> None:
    """In a network of its own, where `net.ipv4.ping_group_range` may be set."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare(1)")
    allow = "echo 0 0 >/proc/sys/net/ipv4/ping_group_range && ip link set lo up"
    command = ["unshare", "--net", "sh", "-c", f'{allow} && exec "$0" -c "$1"', sys.executable, SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    if "unshare" in done.stderr or "ping_group_range" in done.stderr or "ip:" in done.stderr:
        pytest.skip(f"no network of its own here: {done.stderr.strip()}")
    assert (done.returncode, done.stdout) == (0, "echo came back\n" * 2), done.stderr


def test_process_that_may_not_ping_says_what_would_allow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> socket.socket:
        raise PermissionError

    async def test() -> None:
        monkeypatch.setattr(ping.socket, "socket", refuse)
        with pytest.raises(Unhealthy, match=r"sysctl net\.ipv4\.ping_group_range='0 2147483647'.*CAP_NET_RAW"):
            await ping.check(PingCheck(), "127.0.0.1")

    run(test())


def test_echo_of_another_process_is_not_ours() -> None:
    token = bytes(range(16))
    echo = ping._HEADER.pack(ping.REPLY, 0, 0, 1, 1) + token
    inside_ip = b"\x45" + bytes(19) + echo
    assert ping._is_reply(echo, socket.AF_INET, socket.SOCK_DGRAM, token)
    assert ping._is_reply(inside_ip, socket.AF_INET, socket.SOCK_RAW, token)
    assert not ping._is_reply(echo, socket.AF_INET, socket.SOCK_DGRAM, bytes(16))
    assert not ping._is_reply(echo[:7], socket.AF_INET, socket.SOCK_DGRAM, token)
    assert not ping._is_reply(b"", socket.AF_INET, socket.SOCK_RAW, token)
    request = ping._echo(socket.AF_INET, token)
    assert not ping._is_reply(request, socket.AF_INET, socket.SOCK_DGRAM, token), "loopback shows it too"
    assert ping._checksum(request) == 0, "RFC 1071: with the checksum in place"


def test_cancelled_ping_leaves_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    class Silent(socket.socket):
        def connect(self, address: Any) -> None:
            pass

    silent = Silent(fileno=ours.detach())

    async def test() -> None:
        monkeypatch.setattr(ping, "_open", lambda family: silent)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await ping.check(PingCheck(), "127.0.0.1")
        assert silent.fileno() == -1

    run(test())
    theirs.close()
