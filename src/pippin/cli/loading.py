"""Policies and zones of the command line, read into this process: for commands that run policies themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pippin.cli.common import FAILED, USAGE, fail, find_config, policy_files, settings_and_places

if TYPE_CHECKING:
    import dns.name

    from pippin.control.places import Place
    from pippin.policy.given import Lookups, Value
    from pippin.policy.load import Loaded
    from pippin.zone.answer import Zones

MANY = 100
"""Places of zones up to which all are read; of more, those that by name or path can hold the name in question."""


def load_policies(files: Sequence[str] | None, config: Path | None) -> tuple[Loaded, list[Place]]:
    """What the policy files declare, and the places of zones. Ends the command if something is wrong with them."""
    from pippin.control.places import expand, places_in
    from pippin.policy.load import load_in_time
    from pippin.zone.problem import Severity

    given = policy_files(files)
    if given and len(given) == len(files or ()) and config is None:
        names, places = given, []
    else:
        settings, zone_places, _ = settings_and_places(
            files, config or (None if files else find_config(None))
        )
        names, places = [*given, *settings.policies], expand([*zone_places, *places_in(settings)])
    if not names:
        fail("no policies: name a policy file (.py), or a configuration that does", USAGE)
    loaded = load_in_time(names)
    for problem in loaded.problems:
        if problem.severity is Severity.ERROR:
            typer.echo(str(problem), err=True)
    if loaded.has_errors:
        raise typer.Exit(FAILED)
    return loaded, places


def lookups(loaded: Loaded, given: dict[str, Value]) -> Lookups:
    """What the policies' networks and databases say about addresses, but for what is given."""
    from pippin.policy.facts import FactError
    from pippin.policy.geo import Geo, GeoError
    from pippin.policy.given import Lookups

    try:
        return Lookups(loaded.networks, Geo(loaded.geo) if loaded.geo else None, given)
    except (GeoError, FactError) as error:
        fail(error)


def read_zones(places: Sequence[Place], loaded: Loaded, name: dns.name.Name) -> Zones | None:
    """The zones of `places`, compiled with the marks of the policies; None without any place."""
    from pippin.control.marks import Marks
    from pippin.control.prepare import prepare
    from pippin.zone.answer import Zones
    from pippin.zone.zone import Zone

    if not places:
        return None
    marks = Marks((policy.owner, policy.rdtype) for policy in loaded.policies)
    found = []
    for place in places:
        if place.database is not None:
            typer.echo(f"pippin: {place} is a database, which is not looked into here", err=True)
        elif len(places) <= MANY or _may_hold(place, name):
            prepared = prepare(place, seed=0, marks=marks)
            if prepared.image is None:
                for problem in prepared.problems:
                    typer.echo(str(problem), err=True)
            else:
                found.append(Zone(prepared.image))
    return Zones(found)


def _may_hold(place: Place, name: dns.name.Name) -> bool:
    import dns.name

    from pippin.source.masterfile import name_from_path

    if place.origin is not None:
        return name.is_subdomain(dns.name.from_text(place.origin))
    wire = name_from_path(place.path)
    return not wire or name.is_subdomain(dns.name.from_wire(wire, 0)[0])
