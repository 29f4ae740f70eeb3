"""What is wrong with zone data, and where: `file:line:column: what is wrong, what would be right`."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Severity(enum.Enum):
    """An ERROR is something no server could serve rightly; a WARNING is legal but suspect."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One finding. `line` and `column` count from 1; 0 means that the place is not known more exactly."""

    file: str
    line: int
    column: int
    message: str
    severity: Severity = Severity.ERROR

    @property
    def place(self) -> str:
        """`file:line:column`, as far as it is known."""
        return ":".join((self.file, *(str(number) for number in (self.line, self.column) if number)))

    def __str__(self) -> str:
        mark = "" if self.severity is Severity.ERROR else "warning: "
        return f"{self.place}: {mark}{self.message}"
