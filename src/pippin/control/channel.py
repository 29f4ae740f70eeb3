"""The control socket: `pippin reload`, `status` and their like talk to the running server.

A unix socket, readable and writable by the owner and the group. Each line is one JSON object:

    -> {"do": "reload", "zone": "example.com"}      <- {"ok": true, ...} or {"ok": false, "error": "..."}
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

MODE = 0o660

LONGEST_LINE = 65536
"""Octets of one command; an answer may be longer."""

ANSWER_TIMEOUT = 300.0
"""Seconds a client waits for an answer: reloading a million records is slow, forever is longer."""

Obey = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class ChannelError(Exception):
    """Nobody can be talked to at the control socket; the message says what to do."""


def default_path() -> Path:
    """/run/pippin/pippin.sock for root or where that folder is ours, else in the user's runtime folder."""
    system = Path("/run/pippin")
    if os.access(system, os.W_OK) or os.geteuid() == 0:
        return system / "pippin.sock"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime or f"/tmp/pippin-{os.geteuid()}") / "pippin.sock"


def was_left_behind(path: Path) -> bool:
    """The server that made this socket was killed: one that ends takes it away."""
    return path.exists() and not _is_alive(path)


class Channel:
    """The server's end. `open` it; `obey` is called for every command, and its answer is sent."""

    def __init__(self, path: Path, obey: Obey) -> None:
        self.path = path
        self._obey = obey
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Raises `ChannelError` if another server listens there, or the socket cannot be made."""
        if _is_alive(self.path):
            raise ChannelError(f"{self.path}: another pippin listens there; set `control` to another path")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()  # left behind by a server that was killed
            mask = os.umask(0o777 & ~MODE)
            try:
                sock.bind(str(self.path))
            finally:
                os.umask(mask)
        except OSError as error:
            sock.close()
            raise ChannelError(
                f"{self.path}: the control socket cannot be made: {error.strerror or error}"
            ) from error
        self._server = await asyncio.start_unix_server(self._converse, sock=sock, limit=LONGEST_LINE)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                try:
                    command = msgspec.json.decode(line, type=dict[str, Any])
                except msgspec.DecodeError as error:
                    answer: dict[str, Any] = {"ok": False, "error": f"not a JSON object: {error}"}
                else:
                    answer = await self._obey(command)
                writer.write(msgspec.json.encode(answer) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # the client went away, or sent a line longer than LONGEST_LINE: nobody is left to tell
        finally:
            writer.close()


def ask(path: Path, command: dict[str, Any]) -> dict[str, Any]:
    """Send one command and wait for its answer. Raises `ChannelError` where no server answers."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(ANSWER_TIMEOUT)
            sock.connect(str(path))
            sock.sendall(msgspec.json.encode(command) + b"\n")
            with sock.makefile("rb") as answers:
                line = answers.readline()
    except OSError as error:
        raise ChannelError(
            f"{path}: no running pippin answers there ({error.strerror or error}); "
            "is it running, and is this its control socket? `--control PATH` names another"
        ) from error
    if not line:
        raise ChannelError(f"{path}: the server closed the connection without an answer")
    answer: dict[str, Any] = msgspec.json.decode(line)
    return answer


def _is_alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(str(path))
        except OSError:
            return False
    return True
