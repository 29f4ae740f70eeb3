"""The control socket: one JSON object a line, both ways."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from pippin.control.channel import Channel, ChannelError, ask


async def echo(command: dict[str, Any]) -> dict[str, Any]:
    return {"ok": True, "heard": command}


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 10))


def test_commands_are_answered_in_order(tmp_path: Path) -> None:
    async def test() -> None:
        channel = Channel(tmp_path / "sock", echo)
        await channel.open()
        answer = await asyncio.to_thread(ask, channel.path, {"do": "status"})
        assert answer == {"ok": True, "heard": {"do": "status"}}
        assert stat.S_IMODE(channel.path.stat().st_mode) == 0o660
        await channel.close()
        assert not channel.path.exists()

    run(test())


def test_nonsense_is_told_to_be_nonsense(tmp_path: Path) -> None:
    async def test() -> None:
        channel = Channel(tmp_path / "sock", echo)
        await channel.open()
        reader, writer = await asyncio.open_unix_connection(channel.path)
        for line in (b"reload\n", b"[1]\n", b'{"do": "x"}\n'):
            writer.write(line)
        assert b"not a JSON object" in await reader.readline()
        assert b"not a JSON object" in await reader.readline()
        assert b'"ok":true' in await reader.readline()
        writer.close()
        await channel.close()

    run(test())


def test_socket_left_by_a_killed_server_is_replaced(tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        channel = Channel(path, echo)
        await channel.open()
        assert (await asyncio.to_thread(ask, path, {}))["ok"]
        await channel.close()

    run(test())


def test_socket_of_a_living_server_is_respected(tmp_path: Path) -> None:
    async def test() -> None:
        first = Channel(tmp_path / "sock", echo)
        await first.open()
        with pytest.raises(ChannelError, match="another pippin listens there; set `control` to another path"):
            await Channel(tmp_path / "sock", echo).open()
        await first.close()

    run(test())


def test_asking_where_nobody_is_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        ChannelError, match=r"no running pippin answers there .* `--control PATH` names another"
    ):
        ask(tmp_path / "sock", {"do": "status"})


def test_socket_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ChannelError, match="the control socket cannot be made"):
        asyncio.run(Channel(tmp_path / "file" / "sock", echo).open())
