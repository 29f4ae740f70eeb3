"""`pippin convert`: another server's configuration as a pippin.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from pippin.cli.common import USAGE, fail


def convert(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="named.conf, nsd.conf, knot.conf, an ini or a CSV.", show_default=False
        ),
    ],
    kind: Annotated[
        Optional[str],  # noqa: UP045 - typer reads this at run time
        typer.Option(
            "--from",
            metavar="KIND",
            help="bind, nsd, knot or original. Default: as the file looks.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--output",
            "-o",
            metavar="TOML",
            help="Write here, a file that is not there yet.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write another server's configuration as a pippin.toml. What has no counterpart becomes a comment."""
    from pippin.control.convert import KINDS, ConvertError
    from pippin.control.convert import convert as read
    from pippin.control.settings import SettingsError, parse_settings

    if kind is not None and kind not in KINDS:
        fail(f"--from {kind}: there are {', '.join(KINDS)}", USAGE)
    try:
        converted = read(file, kind)
        text = converted.write(file)
        parse_settings(text, output or Path("pippin.toml"))
    except (ConvertError, SettingsError) as error:
        fail(error)
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as target:
            target.write(text)
    except OSError as error:
        fail(f"{output}: {error.strerror}")
    notes = f", {len(converted.notes)} things to look at in its comments" if converted.notes else ""
    typer.echo(f"{output}: {len(converted.zones)} zones{notes}")
