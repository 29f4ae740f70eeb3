"""`pippin reload`: have the running server read its files again."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from pippin.cli.common import FAILED, Config, Control, ask, count


def reload(
    zone: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[ZONE]", help="Read this zone, changed or not.", show_default=False),
    ] = None,
    config: Config = None,
    control: Control = None,
) -> None:
    """Read changed zones and policies again, and the configuration's lists of them. Exit code 1 if one was rejected."""
    answer = ask(control, config, {"do": "reload", "zone": zone})
    if answer["configuration"]:
        typer.echo(f"{answer['configuration']}\nthe configuration is wrong, the old one stays")
    for outcome in answer["zones"]:
        for problem in outcome["problems"]:
            typer.echo(problem)
        if outcome["published"]:
            typer.echo(f"{outcome['zone']}: serial {outcome['serial']}, {outcome['records']:,} records")
        else:
            typer.echo(
                f"{outcome['zone']}: rejected" + (", the old zone stays" if outcome["records"] else "")
            )
    for error in answer["away"]:
        typer.echo(f"{error}; its zones stay as they are")
    if policies := answer["policies"]:
        for problem in policies["problems"]:
            typer.echo(problem)
        if policies["ok"]:
            typer.echo(f"{count(policies['policies'], 'policy', 'policies')}, {count(policies['targets'], 'target')}")
        else:
            typer.echo("policies: rejected, the old ones stay")
    if answer["ok"] and not answer["zones"] and not policies:
        typer.echo("nothing has changed")
    if not answer["ok"]:
        raise typer.Exit(FAILED)
