"""`pippin database …`: make the tables that zones are read from."""

from __future__ import annotations

from typing import Annotated

import typer

from pippin.cli.common import USAGE, fail

database_app = typer.Typer(no_args_is_help=True, help="Prepare databases.")


@database_app.callback()
def database() -> None:
    """Prepare databases."""


@database_app.command("init")
def init(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="postgresql://user:password@host/name, mysql://…, sqlite:///file.")
    ],
    plain: Annotated[
        bool, typer.Option("--plain", help="Only the tables, no triggers; changes are then found by polling.")
    ] = False,
) -> None:
    """Make the tables of PowerDNS' generic schema, and triggers that tell servers of changes.

    What is there already stays as it is, data too; triggers of Pippin are made anew.
    """
    from pippin.source.url import DatabaseError, parse_url

    try:
        where = parse_url(url)
    except DatabaseError as error:
        fail(error, USAGE)
    from pippin.source.sql import schema

    try:
        for line in schema.create(where, with_triggers=not plain):
            typer.echo(line)
    except DatabaseError as error:
        fail(error)
    typer.echo(f"serve its zones with:  pippin serve --database {where}")
