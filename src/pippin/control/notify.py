"""Telling systemd how far we are (sd_notify(3)), where it asked to be told."""

from __future__ import annotations

import contextlib
import os
import socket
import time


def notify(state: str) -> None:
    """Send `READY=1`, `RELOADING=1`, `STOPPING=1`… to NOTIFY_SOCKET; nothing happens without one."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    if state == "RELOADING=1":  # Type=notify-reload wants to know since when
        state += f"\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock,
        contextlib.suppress(OSError),
    ):
        sock.sendto(state.encode(), "\0" + path[1:] if path.startswith("@") else path)
