"""`pippin zone …`: look at zones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pippin.cli.common import FAILED, Config, Control, Files, ask, fail, find_config, settings_and_places

if TYPE_CHECKING:
    from pippin.control.places import Place

zone_app = typer.Typer(no_args_is_help=True, help="Look at zones.")


@zone_app.command("export")
def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The zone's name.")],
    files: Files = None,
    config: Config = None,
    control: Control = None,
) -> None:
    """Write a zone as a master file, names in canonical order. What is written loads again to the same zone.

    The zone is read from FILE, or from what the configuration names, or from the file the running server has it from.
    """
    import dns.exception
    import dns.name
    import dns.rdatatype

    from pippin.control.changes import name_of
    from pippin.control.places import expand
    from pippin.control.prepare import prepare
    from pippin.source.masterfile import WITHOUT_NS
    from pippin.zone.zone import Zone

    try:
        wanted = dns.name.from_text(name).canonicalize().to_wire()
    except dns.exception.DNSException as error:
        fail(f"{name!r} is no domain name: {error}", code=2)
    seen: list[str] = []
    for place in expand(_places(files, config, control)):
        prepared = prepare(place, seed=0)
        if prepared.origin != wanted:
            seen.append(name_of(prepared.origin) if prepared.origin else str(place))
            continue
        if prepared.image is None:
            for problem in prepared.problems:
                typer.echo(str(problem), err=True)
            raise typer.Exit(FAILED)
        zone = Zone(prepared.image)
        apex = zone.node(zone.origin)
        if apex is None or apex.get(dns.rdatatype.NS) is None:
            typer.echo(f"pippin: {name} has no NS records; other servers may refuse it for that", err=True)
            typer.echo(WITHOUT_NS.decode())
        for owner, ttl, rdata in zone.records():
            kind = dns.rdatatype.to_text(rdata.rdtype)
            typer.echo(f"{owner.to_text()}\t{ttl}\tIN\t{kind}\t{rdata.to_text(chunksize=0)}")
        return
    fail(f"no zone {name} there; found: {', '.join(seen) or 'none'}")


def _places(files: list[str] | None, config: Path | None, control: Path | None) -> list[Place]:
    """Where zones are read from: what was named, else what the running server named."""
    from pippin.control.places import Place, places_in

    if not files and find_config(config) is None:
        zones = ask(control, None, {"do": "zones"})["zones"]
        return [Place(zone["file"], zone["origin"]) for zone in zones]
    settings, given, _ = settings_and_places(files, config)
    return [*given, *places_in(settings)]


@zone_app.command("list")
def list_zones(
    config: Config = None,
    control: Control = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """The zones of the running server, with source, serial, records and state."""
    answer = ask(control, config, {"do": "zones"})
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(answer["zones"]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("zone", "source", "serial", "records", "state", box=None, pad_edge=False)
    for zone in answer["zones"]:
        state = "ok" if zone["published"] else "old version served" if zone["records"] else "not served"
        table.add_row(zone["zone"], zone["source"], str(zone["serial"]), f"{zone['records']:,}", state)
    Console().print(table)
