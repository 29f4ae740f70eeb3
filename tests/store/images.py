"""Images for stores, and a Responder's stand-in that remembers what it was told."""

from __future__ import annotations

from functools import cache

import dns.name

from pippin.engine import layout, records
from pippin.engine.compile import compile_zone


def wire(name):
    return dns.name.from_text(name).to_wire()


@cache
def plain_image(name, seed):
    origin = wire(name)
    stream = bytearray()
    records.append(stream, origin, 6, 60, b"\2ns" + origin + b"\1h" + origin + bytes(20))
    records.append(stream, origin, 2, 60, b"\2ns" + origin)
    image, findings = compile_zone(stream, origin, seed)
    assert findings == []
    return image


def image_of(name, seed, version=1, padding=0):
    """A zone whose header has that serial, and as many bytes more as asked for, different in every version."""
    image = bytearray(plain_image(name, seed)) + version.to_bytes(4, "little") * (padding // 4)
    image[layout.H_SIZE : layout.H_SIZE + 4] = len(image).to_bytes(4, "little")
    image[layout.H_SERIAL : layout.H_SERIAL + 4] = version.to_bytes(4, "little")
    return bytes(image)


def serial_of(image):
    return layout.read_header(image).serial


class Placed:
    """What a reader has placed: origin -> base."""

    def __init__(self):
        self.memory = None
        self.bases = {}

    def map(self, memory):
        self.memory = memory

    def place(self, base):
        header = layout.read_header(self.memory[base : base + (1 << 20)])
        self.bases[layout.origin(self.memory[base : base + 1024])] = base
        assert header.size

    def remove(self, origin):
        del self.bases[origin]

    def serials(self):
        """origin -> serial as it stands in the mapped file now."""
        return {origin: serial_of(self.memory[base : base + (1 << 20)]) for origin, base in self.bases.items()}
