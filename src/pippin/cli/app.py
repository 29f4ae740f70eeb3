"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from pippin.cli.check import check
from pippin.cli.convert import convert
from pippin.cli.database import database_app
from pippin.cli.explain import explain
from pippin.cli.health import health_app
from pippin.cli.redis import redis_app
from pippin.cli.reload import reload
from pippin.cli.serve import serve
from pippin.cli.simulate import simulate
from pippin.cli.status import status
from pippin.cli.zone import zone_app

app = typer.Typer(
    name="pippin",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        import platform

        from pippin import __version__
        from pippin.engine import engine_name

        typer.echo(f"pippin {__version__}, {engine_name()} engine, {platform.python_implementation()} "
                   f"{platform.python_version()}")  # fmt: skip
        raise typer.Exit


@app.callback()
def pippin(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Say which version and engine this is."
        ),
    ] = False,
) -> None:
    """An authoritative DNS server, programmed in Python."""


app.command()(serve)
app.command()(check)
app.command()(reload)
app.command()(status)
app.command()(explain)
app.command()(simulate)
app.command()(convert)
app.add_typer(database_app, name="database")
app.add_typer(health_app, name="health")
app.add_typer(redis_app, name="redis")
app.add_typer(zone_app, name="zone")
