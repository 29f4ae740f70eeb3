"""`pippin check`: everything `serve` would refuse, all at once, with places."""

from __future__ import annotations

import typer

from pippin.cli.common import FAILED, Config, Files, settings_and_places


def check(files: Files = None, config: Config = None) -> None:
    """Check zones, and the configuration, without serving anything. Exit code 1 if something is wrong."""
    from pippin.control.changes import has_errors, name_of
    from pippin.control.places import ZONE_FILE_ENDINGS, Place, expand, places_in
    from pippin.control.prepare import prepare

    settings, given, _ = settings_and_places(files, config)
    wrong = False
    served_from: dict[bytes, Place] = {}
    places = expand([*given, *places_in(settings)])
    if not places:
        typer.echo("pippin: no zones there; in a folder, they end in " + ", ".join(sorted(ZONE_FILE_ENDINGS)), err=True)
    for place in places:
        prepared = prepare(place, seed=0, thorough=True)
        for problem in prepared.problems:
            typer.echo(str(problem))
        wrong |= has_errors(prepared.problems)
        if prepared.image is None:
            continue
        first = served_from.setdefault(prepared.origin, place)
        if first != place:
            typer.echo(
                f"{place.path}: zone {name_of(prepared.origin)} is in {first.path} already; one of them is right"
            )
            wrong = True
        else:
            typer.echo(f"{place.path}: zone {name_of(prepared.origin)}, {prepared.records:,} records, ok")
    if wrong:
        raise typer.Exit(FAILED)
