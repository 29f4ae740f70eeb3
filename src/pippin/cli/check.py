"""`pippin check`: everything `serve` would refuse, all at once, with places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from pippin.cli.common import (
    FAILED,
    Config,
    Databases,
    Files,
    count,
    policy_files,
    settings_and_places,
    with_databases,
)

if TYPE_CHECKING:
    from pippin.control.marks import Mark, Marks
    from pippin.source.live import LiveSettings


def check(files: Files = None, config: Config = None, databases: Databases = None) -> None:
    """Check zones, policies and the configuration, without serving anything. Exit code 1 if something is wrong."""
    from pippin.control.changes import has_errors
    from pippin.control.marks import misplaced
    from pippin.control.places import ZONE_FILE_ENDINGS, Place, expand, places_in
    from pippin.control.prepare import prepare_each
    from pippin.control.settings import Settings
    from pippin.source.names import name_of

    files = with_databases(files, databases)
    policies, settings, given = policy_files(files), Settings(), list[Place]()
    if not policies or len(policies) < len(files or ()) or config is not None:
        settings, given, _ = settings_and_places(files, config)
    policies += settings.policies
    marks, wrong = _check_policies(policies)
    served_from: dict[bytes, Place] = {}
    images: dict[bytes, bytes | memoryview] = {}
    rejected: set[Mark] = set()
    places = expand([*given, *places_in(settings)])
    live = [source.live for source in settings.source if source.mode == "live"]
    for source in live:
        wrong |= not _check_live(source)
    if (forward := settings.forward) is not None:
        suffixes = f", {count(len(forward.suffix), 'suffix', 'suffixes')}" if forward.suffix else ""
        typer.echo(f"forward: {count(len(forward.upstreams), 'upstream')}{suffixes}, ok")
    elif not places and not policies and not live:
        typer.echo("pippin: no zones there; in a folder, they end in " + ", ".join(sorted(ZONE_FILE_ENDINGS)), err=True)
    for prepared in prepare_each(places, seed=0, thorough=True, marks=marks):
        place = prepared.place
        for problem in prepared.problems:
            typer.echo(str(problem))
        wrong |= has_errors(prepared.problems)
        if prepared.image is None:
            rejected.update(marks.of(prepared.origin))  # where these stand can be said when the zone is right
            continue
        first = served_from.setdefault(prepared.origin, place)
        if first != place:
            typer.echo(
                f"{place.path}: zone {name_of(prepared.origin)} is in {first.path} already; one of them is right"
            )
            wrong = True
            continue
        if marks.of(prepared.origin):
            images[prepared.origin] = prepared.image
        typer.echo(f"{place.path}: zone {name_of(prepared.origin)}, {prepared.records:,} records, ok")
    if places:
        problems = misplaced((mark for mark in marks if mark not in rejected), images.get).values()
        for problem in problems:
            typer.echo(str(problem))
        wrong |= has_errors(problems)
    if wrong:
        raise typer.Exit(FAILED)


def _check_live(settings: LiveSettings) -> bool:
    """Whether the source can be asked; what is in it is not looked at."""
    from pippin.source.live import LookUpError, open_look_up
    from pippin.source.url import masked

    try:
        look_up = open_look_up(settings)
        look_up.zones([b"\0"])
        look_up.close()
    except LookUpError as error:
        typer.echo(str(error))
        return False
    typer.echo(f"{masked(settings.url)}: live, can be asked, ok")
    return True


def _check_policies(files: list[str]) -> tuple[Marks, bool]:
    """What the policies in these files answer for, and whether something is wrong with them."""
    from pippin.control.marks import NO_MARKS, Marks

    if not files:
        return NO_MARKS, False
    from pippin.policy.inspect import inspect

    loaded, problems = inspect(files)
    for problem in problems:
        typer.echo(str(problem))
    if not loaded.has_errors:
        number = count(len(loaded.policies), "policy", "policies")
        typer.echo(f"{', '.join(files)}: {number}, {count(len(loaded.targets), 'target')}, ok")
    return Marks((policy.owner, policy.rdtype) for policy in loaded.policies), loaded.has_errors
