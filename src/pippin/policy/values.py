"""How the values that users write print: as the call that makes them, without what is the default anyway."""

from __future__ import annotations

import dataclasses
from typing import Any


def call_text(name: str, *positional: object, **named: object) -> str:
    """`name(1, 'two', three=3)`."""
    arguments = [repr(value) for value in positional]
    arguments += [f"{key}={value!r}" for key, value in named.items()]
    return f"{name}({', '.join(arguments)})"


def constructor_text(value: Any) -> str:
    """The call that makes a dataclass instance: fields that differ from their default, positional ones first."""
    positional: list[object] = []
    named: dict[str, object] = {}
    left_out = False
    for field in sorted(dataclasses.fields(value), key=lambda field: field.kw_only is True):
        given = getattr(value, field.name)
        if given == field.default:
            left_out = True
        elif field.kw_only or left_out:
            named[field.name] = given
        else:
            positional.append(given)
    return call_text(type(value).__name__, *positional, **named)
