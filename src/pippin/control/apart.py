"""One large zone prepared by a process of its own, so that the memory it takes goes away with that process.

The control process lives for months: a heap that once held a million records would stay with it. The child writes
the compiled zone into an anonymous file that both have open, and everything else, pickled, to its standard output.
It is a fresh interpreter, for the control process runs threads and a loop, which a fork would copy in mid-flight.
"""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace

from pippin.control.changes import Prepared
from pippin.control.marks import NO_MARKS, Marks
from pippin.control.places import Place
from pippin.zone.problem import Problem

WRITE_LIMIT = 1 << 30
"""Bytes of one write call; Linux takes at most 2 GiB."""


_children: set[subprocess.Popen[bytes]] = set()
_stops = 0


def prepare_apart(place: Place, seed: int, marks: Marks = NO_MARKS) -> Prepared:
    """`prepare` in a child. If that dies, for lack of memory say, the zone has a problem and nobody else has."""
    fd = os.memfd_create("zone")
    stops = _stops
    try:
        # -P: no module from the folder we happen to stand in may take the place of one of ours.
        command = [sys.executable, "-P", "-m", __spec__.name, str(fd)]
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[fd],
            process_group=0,  # Ctrl-C is for the control process to decide on
        )
        _children.add(child)
        if stops != _stops:  # `stop` was called while it started, and may not have seen it
            child.kill()
        try:
            output, _ = child.communicate(pickle.dumps((place, seed, marks)))
        finally:
            _children.discard(child)
        if how := child.returncode:
            died = f"was killed by {signal.Signals(-how).name}" if how < 0 else f"ended with exit code {how}"
            what = f"the process that read it {died}; is there enough memory?"
            return Prepared(place, b"", None, 0, 0, (Problem(place.path, 0, 0, what),), ())
        prepared: Prepared = pickle.loads(output)
        if size := os.fstat(fd).st_size:
            prepared = replace(prepared, image=memoryview(mmap.mmap(fd, size, prot=mmap.PROT_READ)))
        return prepared
    finally:
        os.close(fd)


def stop() -> None:
    """End all children at once: whoever waits for one gets a zone with a problem. For when nobody wants it any more."""
    global _stops
    _stops += 1
    for child in tuple(_children):
        child.kill()


def main() -> None:
    """The child: pickled place, seed and marks on standard input, the number of the file for the image as argument."""
    from pippin.control.prepare import prepare

    place, seed, marks = pickle.load(sys.stdin.buffer)
    prepared = prepare(place, seed, marks=marks)
    image = memoryview(prepared.image or b"")
    fd, written = int(sys.argv[1]), 0
    while written < len(image):
        written += os.pwrite(fd, image[written : written + WRITE_LIMIT], written)
    pickle.dump(replace(prepared, image=None), sys.stdout.buffer)
    sys.stdout.buffer.flush()
    os._exit(0)  # taking a million records' heap apart in order would be time lost


if __name__ == "__main__":
    main()
