"""The words of master files: character kinds, digit tables, record types, algorithm names, and what to say about
a word that is none of them. Tables are bytes, so that compiled code indexes them; runs uncompiled itself.
"""

from __future__ import annotations

import difflib
from array import array
from collections.abc import Mapping

PLAIN, DOT, ESCAPE, BLANK, NEWLINE, QUOTE, COMMENT, OPEN, CLOSE = range(9)
"""What a byte means to the scanner. Up to ESCAPE it belongs to a token; the others end one (RFC 1035 section 5.1)."""

NOT_A_DIGIT = 255
SLOTS = 1024
"""Slots of the type table: ten times the types there are, so that nearly every look-up is one probe."""

ALGORITHMS = {
    "RSAMD5": 1, "DH": 2, "DSA": 3, "ECC": 4, "RSASHA1": 5, "DSANSEC3SHA1": 6, "RSASHA1NSEC3SHA1": 7,
    "RSASHA256": 8, "RSASHA512": 10, "ECCGOST": 12, "ECDSAP256SHA256": 13, "ECDSAP384SHA384": 14, "ED25519": 15,
    "ED448": 16, "INDIRECT": 252, "PRIVATEDNS": 253, "PRIVATEOID": 254,
}  # fmt: skip
"""DNSSEC algorithm mnemonics (RFC 4034 appendix A.1 and the IANA registry)."""

DIRECTIVES = ("$ORIGIN", "$TTL", "$INCLUDE", "$GENERATE")
CLASSES = {"IN": 1, "CS": 2, "CH": 3, "CHAOS": 3, "HS": 4, "HESIOD": 4, "INTERNET": 1}


def _kinds() -> bytes:
    """The kind of each of the 256 bytes. CR is a blank, which makes CRLF a line end like any other."""
    table = bytearray(256)
    for kind, those in enumerate((b"", b".", b"\\", b" \t\r", b"\n", b'"', b";", b"(", b")")):
        for byte in those:
            table[byte] = kind
    return bytes(table)


def _digit_values(digits: bytes, both_cases: bool) -> bytes:
    """A table from byte to value for the digits given in order; NOT_A_DIGIT for every other byte."""
    table = bytearray([NOT_A_DIGIT] * 256)
    for value, byte in enumerate(digits):
        table[byte] = value
        if both_cases:
            table[bytes([byte]).lower()[0]] = value
    return bytes(table)


KINDS = _kinds()
HEX = _digit_values(b"0123456789ABCDEF", True)
BASE32 = _digit_values(b"0123456789ABCDEFGHIJKLMNOPQRSTUV", True)  # base32hex, RFC 4648 section 7
BASE64 = _digit_values(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", False)


def type_key(mnemonic: str) -> int:
    """The bytes of an upper-case mnemonic of at most 8 characters as one number."""
    return int.from_bytes(mnemonic.encode(), "big")


def slot_of(key: int) -> int:
    """Where the search for a key begins. `scan.py` computes the same on C integers."""
    return (key ^ (key >> 11) ^ (key >> 23)) & (SLOTS - 1)


def type_table(types: Mapping[str, int]) -> tuple[array[int], array[int]]:
    """Keys and numbers of all types with short mnemonics, as a table with open addressing (0: empty slot)."""
    keys, numbers = array("Q", bytes(8 * SLOTS)), array("H", bytes(2 * SLOTS))
    for mnemonic, number in types.items():
        if len(mnemonic) > 8:
            continue
        key = type_key(mnemonic)
        slot = slot_of(key)
        while keys[slot] != 0:
            slot = (slot + 1) % SLOTS
        keys[slot], numbers[slot] = key, number
    return keys, numbers


def type_number(word: str, types: Mapping[str, int], suggest: bool) -> int:
    """The number of a record type: a mnemonic in any case, or TYPEnnn (RFC 3597). ValueError says what is wrong.

    `suggest`: also say what may have been meant. That takes half a millisecond, too long for a million errors.
    """
    upper = word.upper()
    if upper in types:
        return types[upper]
    if upper.startswith("TYPE") and upper[4:].isdecimal():
        number = int(upper[4:]) if len(upper) <= 9 else 65536
        if number > 65535:
            raise ValueError(f"'{word}' is not a record type; the numbers go from 1 to 65535")
        return number
    if word[:1] == "-" and word[1:].isdecimal():  # where a TTL could have stood, too
        raise ValueError(f"the TTL is {word}; it is a number of seconds from 0 to 2147483647 (RFC 2181 section 8)")
    rather = _or_rather(upper, {name: n for name, n in types.items() if is_data(n)}) if suggest else ""
    raise ValueError(f"'{word}' is not a record type{rather or '; a type is a word such as A or MX'}")


def check_class(word: str) -> bool:
    """True if the word is class IN; False if it is no class; ValueError for the other classes."""
    upper = word.upper()
    if upper.startswith("CLASS") and upper[5:].isdecimal():
        number = int(upper[5:]) if len(upper) <= 10 else 65536
    elif upper in CLASSES:
        number = CLASSES[upper]
    else:
        return False
    if number != 1:
        raise ValueError(f"class '{word}' cannot be served; zone data is of class IN")
    return True


def is_data(number: int) -> bool:
    """Whether records of a type can stand in a zone (RFC 6895 section 3.1)."""
    return number != 0 and number != 41 and not 128 <= number <= 255


def check_data_type(number: int, name: str) -> None:
    """Refuse the types that never stand in a zone: TYPE0, OPT, question and meta types (RFC 6895 section 3.1)."""
    if not is_data(number):
        raise ValueError(f"{name} is not a type of zone data; it only has a meaning in messages")


def algorithm(word: str) -> int:
    """The number of a DNSSEC algorithm mnemonic."""
    upper = word.upper()
    if upper in ALGORITHMS:
        return ALGORITHMS[upper]
    if word[:1] == "-" and word[1:].isdecimal():  # where a TTL could have stood, too
        raise ValueError(f"the TTL is {word}; it is a number of seconds from 0 to 2147483647 (RFC 2181 section 8)")
    rather = _or_rather(upper, ALGORITHMS) or "; it is a number from 0 to 255 or a name such as ED25519"
    raise ValueError(f"'{word}' is not a DNSSEC algorithm{rather}")


def unknown_directive(word: str) -> str:
    """The message for a directive that does not exist."""
    rather = _or_rather(word.upper(), dict.fromkeys(DIRECTIVES, 0))
    return f"'{word}' is not a directive{rather or '; those are ' + ', '.join(DIRECTIVES)}"


def _or_rather(word: str, words: Mapping[str, int]) -> str:
    close = difflib.get_close_matches(word, list(words), 3)
    return f"; did you mean {' or '.join(close)}?" if close else ""
