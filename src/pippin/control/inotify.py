"""Hearing at once which files of some folders have changed: Linux' inotify(7), three calls of the C library.

It tells nothing of what other machines do to a network file system, and may lose events when there are too many, so
it makes watching quick and never stands alone: `control/watch.py` looks at all files from time to time as well.
Used directly because events have to be there for the taking at any moment (a reload takes them first), which
libraries with a loop or thread of their own make hard.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import threading
from struct import Struct

MODIFY_ENDS = 0x8  # IN_CLOSE_WRITE
MOVED_FROM, MOVED_TO = 0x40, 0x80
CREATE, DELETE = 0x100, 0x200
OVERFLOW = 0x4000
IGNORED = 0x8000
ONLY_FOLDERS = 0x01000000
IS_FOLDER = 0x40000000

WANTED = MODIFY_ENDS | MOVED_FROM | MOVED_TO | CREATE | DELETE | ONLY_FOLDERS

FOLDERS_LIMIT = 4096
"""Folders listened to; files in others are only looked at. Linux gives a user at least 8192 in all."""

READ_SIZE = 1 << 16

_EVENT = Struct("iIII")  # watch, what happened, cookie, length of the name that follows


class Lost(Exception):
    """More happened than the kernel keeps: everything has to be looked at."""


class Inotify:
    """Events of folders. `watch` from any thread; everything else from the loop's. OSError if there is no inotify."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._lock = threading.Lock()
        self._folders: dict[int, set[str]] = {}
        self._known: set[str] = set()

    def watch(self, folder: str) -> None:
        """Listen to the files in a folder from now on; those that cannot be listened to are left out silently."""
        with self._lock:
            if folder in self._known or len(self._known) >= FOLDERS_LIMIT:
                return
            number = self._libc.inotify_add_watch(self._fd, os.fsencode(folder or "."), WANTED)
            if number >= 0:
                self._known.add(folder)
                self._folders.setdefault(number, set()).add(folder)  # one folder may go by several names

    def take(self) -> set[str]:
        """The files that may have changed, appeared or gone since last time, as folder (as given) and name.

        A file that is being written is not among them until its writer closes it. `Lost` if some were lost.
        """
        changed: set[str] = set()
        with self._lock:
            while True:
                try:
                    events = os.read(self._fd, READ_SIZE)
                except BlockingIOError:
                    return changed
                at = 0
                while at < len(events):
                    number, what, _, length = _EVENT.unpack_from(events, at)
                    at += _EVENT.size + length
                    if what & OVERFLOW:
                        raise Lost
                    if what & IGNORED:  # the folder is gone
                        self._known -= self._folders.pop(number, set())
                    elif not what & IS_FOLDER:
                        name = os.fsdecode(events[at - length : at].rstrip(b"\0"))
                        for folder in self._folders.get(number, ()):
                            path = os.path.join(folder, name)
                            if not what & CREATE or _is_whole(path):
                                changed.add(path)

    async def wait(self, timeout: float | None = None) -> None:
        """Until there is something to take, or the time is over."""
        loop = asyncio.get_running_loop()
        news = asyncio.Event()
        loop.add_reader(self._fd, news.set)
        try:
            async with asyncio.timeout(timeout):
                await news.wait()
        except TimeoutError:
            pass
        finally:
            loop.remove_reader(self._fd)

    def close(self) -> None:
        os.close(self._fd)


def _is_whole(path: str) -> bool:
    """A file just created will be written, and closed; unless it is another name of one that exists."""
    try:
        return os.path.islink(path) or os.stat(path).st_nlink > 1
    except OSError:
        return False
