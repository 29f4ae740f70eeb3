"""`pippin redis …`: put zones into a Redis, from which servers have them at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from pippin.cli.common import FAILED, USAGE, count, fail

if TYPE_CHECKING:
    from pippin.source.redis.write import Writer
    from pippin.source.url import DatabaseURL

redis_app = typer.Typer(no_args_is_help=True, help="Put zones into Redis or Valkey.")

URLFile = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--url-file", metavar="FILE", help="A file that has the URL in it.", show_default=False),
]


@redis_app.callback()
def redis() -> None:
    """Put zones into Redis or Valkey."""


@redis_app.command("load")
def load(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="[ORIGIN=]FILE... URL",
            help="Zone files, CSV files, folders of them, databases; and where to: redis://:password@host:6379/0, "
            "rediss://, unix:///path, redis+sentinel://host1,host2/service/0.",
        ),
    ],
    url_file: URLFile = None,
    delete_others: Annotated[
        bool, typer.Option("--delete-others", help="Delete the zones in Redis that are not loaded now.")
    ] = False,
) -> None:
    """Write zones into Redis, each at once as a whole, and tell the servers that follow it.

    A zone with errors is not written, and what Redis has of it stays. Exit code 1 if there was one.
    """
    from pippin.cli.common import settings_and_places
    from pippin.control.changes import has_errors
    from pippin.control.places import expand
    from pippin.control.prepare import load_each, prepare_loaded
    from pippin.source.names import name_of
    from pippin.source.url import DatabaseError

    files, url = _files_and_url(arguments, url_file)
    if not files:
        fail("no zones to load: name files before the URL", USAGE)
    _, places, _ = settings_and_places(files, None)
    writer = _writer(url)
    seen: dict[str, str] = {}
    written = unchanged = refused = 0
    try:
        for place, zone in load_each(expand(places)):
            prepared = prepare_loaded(place, zone, seed=0)
            for problem in prepared.problems:
                typer.echo(str(problem), err=True)
            name = name_of(zone.origin) if zone.origin else ""
            if prepared.image is None or has_errors(prepared.problems):
                refused += 1
                seen.setdefault(name, place.path)
                typer.echo(f"{place.path}: not written", err=True)
                continue
            if name in seen:
                refused += 1
                message = f"{place.path}: zone {name_of(zone.origin)} is in {seen[name]} already; not written"
                typer.echo(message, err=True)
                continue
            seen[name] = place.path
            done = writer.write(zone)
            written, unchanged = written + done.is_new, unchanged + (not done.is_new)
            what = "written" if done.is_new else "is there already"
            typer.echo(f"{name}: {count(done.names, 'name')}, {count(done.records, 'record')}, {what}")
        deleted: list[str] = []
        if delete_others and not refused:
            deleted = writer.delete(sorted(writer.zones() - seen.keys()))
            for name in deleted:
                typer.echo(f"{name}: deleted")
    except DatabaseError as error:
        fail(error)
    finally:
        writer.close()
    line = f"{count(written, 'zone')} written, {unchanged} as before, {refused} refused"
    typer.echo(f"{line}, {len(deleted)} deleted" if delete_others else line)
    if delete_others and refused:
        typer.echo("pippin: nothing was deleted, for not all zones could be loaded", err=True)
    if refused:
        raise typer.Exit(FAILED)


@redis_app.command("delete")
def delete(
    arguments: Annotated[list[str], typer.Argument(metavar="ZONE... URL", help="Names of zones; and the Redis.")],
    url_file: URLFile = None,
) -> None:
    """Delete zones, and tell the servers that follow it. They stop serving zones for no other reason."""
    import dns.exception

    from pippin.source.database import wire
    from pippin.source.names import name_of
    from pippin.source.url import DatabaseError

    names, url = _files_and_url(arguments, url_file)
    try:
        origins = [name_of(wire(name)) for name in names]
    except dns.exception.DNSException as error:
        fail(f"that is no domain name: {error}", USAGE)
    if not origins:
        fail("name the zones before the URL", USAGE)
    writer = _writer(url)
    try:
        for name in writer.delete(origins):
            typer.echo(f"{name}: deleted")
    except DatabaseError as error:
        fail(error)
    finally:
        writer.close()


def _files_and_url(arguments: list[str], url_file: Path | None) -> tuple[list[str], DatabaseURL]:
    from pippin.source.url import DatabaseError, parse_url

    if url_file is not None:
        try:
            text = url_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            fail(f"{url_file} cannot be read: {getattr(error, 'strerror', None) or error}")
    else:
        *arguments, text = arguments
    try:
        url = parse_url(text)
    except DatabaseError as error:
        fail(error, USAGE)
    if not url.is_redis:
        fail(f"{url} is no Redis; the last argument says where to, as in redis://:password@host:6379/0", USAGE)
    return arguments, url


def _writer(url: DatabaseURL) -> Writer:
    from pippin.source.redis.write import Writer
    from pippin.source.url import DatabaseError

    try:
        return Writer(url)
    except DatabaseError as error:
        fail(error)
