"""Variations of seeds. The same number gives the same bytes, so a finding is run again by its number."""

from __future__ import annotations

from pathlib import Path
from random import Random

CORPUS = Path(__file__).parent / "corpus"
INTERESTING = (0, 1, 2, 10, 11, 12, 13, 28, 40, 41, 63, 64, 65, 127, 128, 191, 192, 193, 254, 255)
LONGEST = 70_000


def read_corpus(target: str) -> list[bytes]:
    """The seeds of a target: lines of hexadecimal; `#` begins a comment."""
    lines = (CORPUS / f"{target}.txt").read_text().splitlines()
    return [bytes.fromhex(text) for line in lines if (text := line.partition("#")[0].strip())]


def variation(seeds: list[bytes], number: int) -> bytes:
    """One to eight small changes to a seed; the first numbers are the seeds themselves."""
    if number < len(seeds):
        return seeds[number]
    random = Random(number)
    data = bytearray(random.choice(seeds))
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        random.choice(CHANGES)(data, random, seeds)
    return bytes(data[:LONGEST])


def flip_bit(data: bytearray, random: Random, seeds: list[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def set_octet(data: bytearray, random: Random, seeds: list[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] = random.choice((*INTERESTING, random.randrange(256)))


def set_length(data: bytearray, random: Random, seeds: list[bytes]) -> None:
    """Two octets that may be a count, a length or a pointer."""
    if len(data) > 1:
        at = random.randrange(len(data) - 1)
        value = random.choice((0, 1, 7, 8, 9, 15, 16, 40, 41, len(data), len(data) - at, 0xC00C, 0xFFFF))
        data[at : at + 2] = (value & 0xFFFF).to_bytes(2, random.choice(("big", "little")))


def cut(data: bytearray, random: Random, seeds: list[bytes]) -> None:
    del data[random.randrange(len(data) + 1) :]


def remove(data: bytearray, random: Random, seeds: list[bytes]) -> None:
    at = random.randrange(len(data) + 1)
    del data[at : at + random.randrange(1, 20)]


def insert(data: bytearray, random: Random, seeds: list[bytes]) -> None:
    at = random.randrange(len(data) + 1)
    data[at:at] = random.randbytes(random.choice((1, 2, 4, 11, 30)))


def repeat(data: bytearray, random: Random, seeds: list[bytes]) -> None:
    if data:
        at = random.randrange(len(data))
        data[at:at] = data[at : at + random.randrange(1, 70)] * random.choice((1, 2, 4))


def cross(data: bytearray, random: Random, seeds: list[bytes]) -> None:
    """The head of this and the tail of another."""
    other = random.choice(seeds)
    data[random.randrange(len(data) + 1) :] = other[random.randrange(len(other) + 1) :]


CHANGES = (flip_bit, set_octet, set_octet, set_length, set_length, cut, remove, insert, repeat, cross)
