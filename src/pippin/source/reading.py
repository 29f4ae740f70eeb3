"""Opening what the operator names: the whole text of a file, and what the file was like when it was opened."""

from __future__ import annotations

import os
import stat

from pippin.source.loaded import Dependency


def read_file(path: str) -> tuple[bytes, Dependency]:
    """The content of a regular file. OSError, with a strerror for the user, if it cannot be read.

    The dependency is taken from the open file, so that a file replaced meanwhile is noticed as changed.
    """
    # Not blocking, for a pipe without a writer would hold up the whole server.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is not a regular file")
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            text = file.readall()
    finally:
        os.close(descriptor)
    return text, Dependency(path, status.st_size, status.st_mtime_ns)


def reason(error: OSError) -> str:
    """What to tell the user about a file that cannot be read."""
    return f"the file cannot be read: {error.strerror or error}"
