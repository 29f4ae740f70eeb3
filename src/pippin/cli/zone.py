"""`pippin zone …`: look at zones."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from pippin.cli.common import (
    FAILED,
    Config,
    Control,
    Files,
    age,
    ask,
    fail,
    find_config,
    settings_and_places,
)

if TYPE_CHECKING:
    from pippin.control.places import Place

ZONES_SHOWN = 50
"""What `zone list` shows of many, unless told otherwise."""

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

    from pippin.control.places import expand, only_named
    from pippin.control.prepare import prepare
    from pippin.source.masterfile import WITHOUT_NS
    from pippin.source.names import name_of
    from pippin.zone.zone import Zone

    try:
        wanted = dns.name.from_text(name).canonicalize().to_wire()
    except dns.exception.DNSException as error:
        fail(f"{name!r} is no domain name: {error}", code=2)
    seen: list[str] = []
    for place in only_named(expand(_places(files, config, control)), name):
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


@zone_app.command("inspect")
def inspect(
    what: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="A zone's name or file, or a compiled zone.")
    ],
    owner: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(
            metavar="[OWNER]", help="A name in the zone: its node and blocks.", show_default=False
        ),
    ] = None,
    state: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="DIR", help="Take what is published in this zone store.", show_default=False),
    ] = None,
    config: Config = None,
    control: Control = None,
) -> None:
    """What a compiled zone looks like inside: header, sections with sizes, and one name's node decoded.

    NAME is compiled from the file that the configuration or the running server has it from, or with --state taken as
    the server published it.
    """
    from pippin.engine import layout
    from pippin.zone import inspect as reading

    image = _image(what, state, config, control)
    lines = (
        reading.overview(image) if owner is None else reading.name(image, _name(owner, layout.origin(image)))
    )
    for line in lines:
        typer.echo(line)


def _image(what: str, state: Path | None, config: Path | None, control: Path | None) -> bytes | memoryview:
    from pippin.control.places import Place, expand, only_named
    from pippin.control.prepare import prepare
    from pippin.engine.layout import MAGIC
    from pippin.store import StoreError
    from pippin.store.peek import published

    is_file = Path(what).is_file()
    if is_file:
        with open(what, "rb") as file:
            if file.read(len(MAGIC)) == MAGIC:
                return MAGIC + file.read()
    if state is not None:
        try:
            image = published(state, _name(what))
        except (StoreError, OSError, ValueError) as error:
            fail(error)
        return image or fail(f"no zone {what} in {state}")
    for place in [Place(what)] if is_file else only_named(expand(_places(None, config, control)), what):
        prepared = prepare(place, seed=0)
        if not is_file and prepared.origin != _name(what):
            continue
        if prepared.image is None:
            for problem in prepared.problems:
                typer.echo(str(problem), err=True)
            raise typer.Exit(FAILED)
        return prepared.image
    fail(f"no zone and no file {what} there")


def _name(text: str, origin: bytes = b"\0") -> bytes:
    """Wire format, lower case; names without a last dot end in `origin`, unless they do already."""
    import dns.exception
    import dns.name

    try:
        zone = dns.name.from_wire(origin, 0)[0]
        name = dns.name.from_text(text, dns.name.root)
        if text == "@" or (not name.is_subdomain(zone) and not text.endswith(".")):
            name = dns.name.from_text(text, zone)
        return name.canonicalize().to_wire() or b""
    except dns.exception.DNSException as error:
        fail(f"{text!r} is no domain name: {error}", code=2)


def _places(files: list[str] | None, config: Path | None, control: Path | None) -> list[Place]:
    """Where zones are read from: what was named, else what the running server named."""
    from pippin.control.places import places_in

    if not files and find_config(config) is None:
        zones = ask(control, None, {"do": "zones"})["zones"]
        return [_as_served(zone) for zone in zones]
    settings, given, _ = settings_and_places(files, config)
    return [*given, *places_in(settings)]


def _as_served(zone: dict[str, Any]) -> Place:
    """The place of a zone as the server tells it, which does not tell passwords."""
    from pippin.control.places import Place
    from pippin.source.url import parse_url

    if not zone["is_database"]:
        return Place(zone["file"], zone["origin"])
    return Place(zone["file"], zone["origin"], parse_url(zone["file"]))


@zone_app.command("list")
def list_zones(
    config: Config = None,
    control: Control = None,
    limit: Annotated[int, typer.Option(min=0, help="Zones to show; 0: all.")] = ZONES_SHOWN,
    json: Annotated[bool, typer.Option("--json", help="As JSON, all zones.")] = False,
) -> None:
    """The zones of the running server, with source, serial, records, age and state; first those that need attention.

    The age is for how long this server has served this version.
    """
    answer = ask(control, config, {"do": "zones"})
    zones = answer["zones"]
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(zones))
        return
    from rich.console import Console
    from rich.table import Table

    zones.sort(key=lambda zone: (zone["published"], zone["zone"]))
    shown = zones[:limit] if limit else zones
    table = Table("zone", "source", "serial", "records", "age", "state", box=None, pad_edge=False)
    now = time.time()
    for zone in shown:
        since = age(now - zone["since"]) if zone["since"] else ""
        serial, records = str(zone["serial"]), f"{zone['records']:,}"
        table.add_row(zone["zone"], zone["source"], serial, records, since, zone["state"])
    Console().print(table)
    if len(shown) < len(zones):
        typer.echo(f"… {len(zones) - len(shown):,} more; `--limit 0` shows all")
    for source in answer["live"]:
        typer.echo(f"{source}  live, looked up on demand")
