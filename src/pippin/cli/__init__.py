"""Floor 7: the command `pippin`, one file per command.

Command files import what they need when they run: `pippin --help` and `pippin serve` must not wait for each other's
libraries.

Exit codes: 0 done; 1 it failed (a zone is wrong, no server answers); 2 the command line is wrong; 130 interrupted.
"""

from __future__ import annotations


def main() -> None:
    from pippin.cli.app import app

    app(prog_name="pippin")
