"""$GENERATE as BIND has it: a range and a template in, one line of text for each step out.

`$` in the template stands for the step's number, `\\$` for a dollar sign, and `${offset,width,base}` for the number
plus offset, padded to width: base d decimal, o octal, x and X hexadecimal, n and N hexadecimal nibbles from the
lowest up with dots between them (for ip6.arpa; the width counts the dots). Errors are ValueErrors with a message
for the user. Runs uncompiled: a zone has few of these.
"""

from __future__ import annotations

import re

MAX_STEPS = 1 << 20
"""Lines one $GENERATE may make: a /12 of IPv4 addresses. A slip of the keyboard must not fill the memory."""
MAX_WIDTH = 255

_RANGE = re.compile(rb"(\d{1,10})-(\d{1,10})(?:/(\d{1,10}))?")
_MODIFIER = re.compile(rb"(-?\d{1,10})(?:,(\d{1,10})(?:,([A-Za-z]))?)?")
_PLACE = re.compile(rb"\\.|\$\$|\$\{([^}]*)(\}?)|\$", re.DOTALL)


def steps(text: bytes) -> range:
    """The numbers of `start-stop` or `start-stop/step`, stop included."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(
            f"'{shown(text)}' is not a range; a range is start-stop or start-stop/step, as in 1-254"
        )
    start, stop, step = int(match[1]), int(match[2]), int(match[3] or b"1")
    if stop < start:
        raise ValueError(f"the range '{shown(text)}' runs backwards; the lower number comes first")
    if step == 0:
        raise ValueError(f"the range '{shown(text)}' has step 0; a step is at least 1")
    numbers = range(start, stop + 1, step)
    if len(numbers) > MAX_STEPS:
        raise ValueError(
            f"the range '{shown(text)}' makes {len(numbers)} records; at most {MAX_STEPS} are allowed"
        )
    return numbers


def expand(template: bytes, number: int) -> bytes:
    """The template with every `$` replaced for this number."""

    def replacement(match: re.Match[bytes]) -> bytes:
        found = match[0]
        if found[:1] == b"\\":
            return b"$" if found == b"\\$" else found
        if found == b"$$":
            return b"$"
        if found == b"$":
            return b"%d" % number
        if not match[2]:
            raise ValueError(f"'{shown(found)}' has no closing brace; a modifier is ${{offset,width,base}}")
        return _modified(match[1], number)

    return _PLACE.sub(replacement, template)


def _modified(modifier: bytes, number: int) -> bytes:
    match = _MODIFIER.fullmatch(modifier)
    if match is None:
        raise ValueError(
            f"'${{{shown(modifier)}}}' is not a modifier; it is ${{offset,width,base}}, as in ${{0,3,d}}"
        )
    value = number + int(match[1])
    width = int(match[2] or b"0")
    base = (match[3] or b"d").decode()
    if width > MAX_WIDTH:
        raise ValueError(f"the width {width} is too large; at most {MAX_WIDTH} is allowed")
    if value < 0:
        raise ValueError(f"'${{{shown(modifier)}}}' gives the negative number {value} at step {number}")
    if base in "doxX":
        return format(value, f"0{width}{base}").encode()
    if base in "nN":
        return _nibbles(value, width, base == "N")
    raise ValueError(f"'{base}' is not a base; the bases are d, o, x, X, n and N")


def _nibbles(value: int, width: int, upper: bool) -> bytes:
    digits = format(value, "X" if upper else "x").rjust((width + 1) // 2, "0")
    text = ".".join(reversed(digits))
    # An even width ends with a dot, as in BIND: the dots are counted, and what follows is then a label of its own.
    if len(text) < width:
        text += "."
    return text.encode()


def shown(text: bytes, limit: int = 60) -> str:
    """Text from a file as it can stand in a message."""
    readable = text.decode("utf-8", "backslashreplace")
    readable = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in readable)
    return readable if len(readable) <= limit else readable[: limit - 3] + "..."
