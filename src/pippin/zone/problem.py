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

    def __str__(self) -> str:
        place = self.file
        if self.line:
            place += f":{self.line}"
            if self.column:
                place += f":{self.column}"
        mark = "" if self.severity is Severity.ERROR else "warning: "
        return f"{place}: {mark}{self.message}"
