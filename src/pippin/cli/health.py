"""`pippin health`: how targets are, and setting them by hand."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any

import typer

from pippin.cli.common import Config, Control, ask

health_app = typer.Typer(help="How targets of policies are, and setting them by hand.")

WIDTH = 160
"""Columns where the output is no terminal."""

Target = Annotated[str, typer.Argument(metavar="POOL/ADDRESS", help="As `pippin health` names it.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@health_app.callback(invoke_without_command=True)
def health(
    context: typer.Context, config: Config = None, control: Control = None, json: AsJson = False
) -> None:
    """Every target: whether answers may name it, since when, and why."""
    if context.invoked_subcommand is not None:
        return
    answer = ask(control, config, {"do": "health"})
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(answer))
        return
    _show(answer["targets"])
    for target, word in answer["strays"].items():
        typer.echo(f"{target} is set {word} by hand, but no policy has it; `pippin health auto {target}` forgets that")


@health_app.command()
def up(target: Target, config: Config = None, control: Control = None) -> None:
    """Take a target for available, whatever checks find."""
    _set(target, "up", config, control)


@health_app.command()
def down(target: Target, config: Config = None, control: Control = None) -> None:
    """Take a target for not available, whatever checks find."""
    _set(target, "down", config, control)


@health_app.command()
def drain(target: Target, config: Config = None, control: Control = None) -> None:
    """Send no new clients to a target that works: like down, and says that it is meant."""
    _set(target, "drain", config, control)


@health_app.command()
def auto(target: Target, config: Config = None, control: Control = None) -> None:
    """Go by what checks find again."""
    _set(target, "auto", config, control)


def _set(target: str, word: str, config: Config, control: Control) -> None:
    answer = ask(control, config, {"do": "health", "target": target, "to": word})
    _show(state for state in answer["targets"] if state["target"] == target)
    if not answer["kept"]:
        typer.echo("in force until the server ends: it has no `state` folder to keep it in")


def _show(targets: Any) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("target", "state", "since", "by hand", "check", "latency", "load", "last result"):
        table.add_column(heading, overflow="fold")
    for state in targets:
        available = Text("up", "green") if state["available"] else Text("down", "red")
        table.add_row(
            Text(state["target"]),
            available,
            _time_since(state["since"]),
            "" if state["override"] == "auto" else state["override"],
            state["checked"] if state["check"] or state["checked"] != "unknown" else "none",
            "" if state["latency"] < 0 else f"{state['latency'] * 1000:.0f} ms",
            "" if state["load"] < 0 else f"{state['load']:.0%}",
            Text(state["reason"]),
        )
    if table.row_count:
        Console(width=None if sys.stdout.isatty() else WIDTH).print(table)
    else:
        typer.echo("no targets: no policy that is served has a pool")


def _time_since(since: float) -> str:
    """`12 s`, `5 min`, `3 h`, `2 d`; nothing for a state that has never changed."""
    if not since:
        return ""
    seconds = max(0.0, time.time() - since)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
