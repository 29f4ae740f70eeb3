"""`pippin explain`: why a question gets the answer it gets."""

from __future__ import annotations

import datetime
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from pippin.cli.common import FAILED, USAGE, Config, Control, Files, fail

if TYPE_CHECKING:
    from rich.console import Console

    from pippin.policy.explain import Explanation, HealthInput, TargetHealth

WIDTH = 160
"""Columns where the output is no terminal."""

ANSWERS_SHOWN = 20
"""Possible answers that are listed; of more, the number."""

Words = Optional[list[str]]  # noqa: UP045 - typer reads this at run time
Word = Optional[str]  # noqa: UP045


def explain(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What is asked for.")],
    rdtype: Annotated[str, typer.Argument(metavar="TYPE", help="A, AAAA, TXT, …")],
    files: Files = None,
    client: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Who asks; a network is what a resolver tells of a client.")
    ] = "",
    resolver: Annotated[
        Word,
        typer.Option(
            metavar="ADDRESS",
            help="Asks for the client, and tells its network (EDNS Client Subnet).",
            show_default=False,
        ),
    ] = None,
    down: Annotated[
        Words, typer.Option(metavar="POOL/ADDRESS", help="Take a target for down.", show_default=False)
    ] = None,
    drain: Annotated[
        Words, typer.Option(metavar="POOL/ADDRESS", help="Take a target for drained by hand.", show_default=False)
    ] = None,
    up: Annotated[
        Words, typer.Option(metavar="POOL/ADDRESS", help="Take a target for up.", show_default=False)
    ] = None,
    at: Annotated[
        Word,
        typer.Option(metavar="TIME", help='When: "2026-12-24 18:00", UTC. Default: now.', show_default=False),
    ] = None,
    given: Annotated[
        Words,
        typer.Option(
            metavar="FACT=VALUE",
            help="Do not look this up: country=DE, continent=EU, region=, city=, asn=, network=.",
            show_default=False,
        ),
    ] = None,
    tcp: Annotated[bool, typer.Option("--tcp", help="Ask over TCP.")] = False,
    config: Config = None,
    control: Control = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Why NAME is answered as it is: the way to what decides, facts looked at, health, plan, probabilities.

    Policies are run here, with the files given or those of the configuration. How targets are is asked of the running
    server, if there is one; otherwise they are assumed to be up.
    """
    import dns.exception
    import dns.name

    from pippin.cli.loading import load_policies, lookups, read_zones
    from pippin.policy.explain import Explainer, Question
    from pippin.policy.given import moment

    if not client:
        fail("who asks? --client 203.0.113.9", USAGE)
    loaded, places = load_policies(files, config)
    try:
        wanted = dns.name.from_text(name)
        question = Question(name, rdtype, client, resolver, None if at is None else moment(at), tcp)
    except (dns.exception.DNSException, ValueError) as error:
        fail(error, USAGE)
    said = {"up": up, "down": down, "drain": drain}
    health = _health({target.key for target in loaded.targets}, config, control, said)
    explainer = Explainer(loaded, read_zones(places, loaded, wanted), lookups(loaded, _given(given)), health)
    try:
        explanation = explainer.explain(question)
    except ValueError as error:
        fail(error, USAGE)
    finally:
        explainer.close()
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(explanation))
    else:
        from rich.console import Console

        show(Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False), explanation)
    if explanation.error:
        raise typer.Exit(FAILED)


def _given(words: list[str] | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for word in words or ():
        key, equals, value = word.partition("=")
        if not equals:
            fail(f"{word!r} has no value; right would be {word}=DE", USAGE)
        found[key] = (int(value) if value.isdecimal() and key == "asn" else value) or None
    return found


def _health(
    targets: set[str],
    config: Path | None,
    control: Path | None,
    said: dict[str, list[str] | None],
) -> dict[str, TargetHealth]:
    """What the running server knows about targets, and what the command line says."""
    from pippin.policy.explain import TargetHealth

    known = {key: state for key, state in _asked(config, control) if key in targets}
    for what, named in said.items():
        for key in named or ():
            if key not in targets:
                fail(f"no target {key} here; there are {', '.join(sorted(targets)) or 'none'}", USAGE)
            known[key] = TargetHealth(what == "up", f"--{what}", in_use=what != "drain")
    return known


def _asked(config: Path | None, control: Path | None) -> list[tuple[str, TargetHealth]]:
    from pippin.control import channel
    from pippin.control.settings import SettingsError, read_settings
    from pippin.policy.explain import TargetHealth

    if control is None and config is not None:
        try:
            configured = read_settings(config).control
        except SettingsError as error:
            fail(error)
        control = Path(configured) if configured else None
    try:
        answer = channel.ask(control or channel.default_path(), {"do": "health"})
    except channel.ChannelError as error:
        if control is not None:
            fail(error)  # it was named: somebody expects a server there
        return []
    now = time.time()
    return [
        (
            state["target"],
            TargetHealth(
                state["available"],
                "the server" if state["override"] == "auto" else f"set {state['override']} by hand",
                now - state["last_check"] if state["last_check"] else None,
                state["reason"],
                state["load"] if state["load"] >= 0 else None,
                state["override"] not in ("down", "drain"),
            ),
        )
        for state in answer.get("targets", ())
    ]


def show(console: Console, explanation: Explanation) -> None:
    """Print it for people."""
    from rich.text import Text

    who = explanation.client + (f" by {explanation.resolver}" if explanation.resolver else "")
    when = datetime.datetime.fromtimestamp(explanation.at, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    console.print(Text(f"{explanation.name} {explanation.type}", "bold"), f"for {who}, {when}")
    _section(console, "path", [(step,) for step in explanation.path])
    if explanation.place:
        console.print(f"  at {explanation.place}", style="dim", soft_wrap=True)
    facts = [(fact.name, fact.value, fact.source) for fact in explanation.facts]
    if explanation.policy:
        _section(console, "facts looked at", facts or [("none: one plan for everybody",)])
    _section(console, "health", [_health_row(target) for target in explanation.health])
    if explanation.plan:
        _section(console, "plan", [(explanation.plan,)])
    if explanation.error:
        _section(console, "the policy fails; the server answers its fallback", [(explanation.fallback,)])
        console.print(explanation.error, style="red", soft_wrap=True, markup=False)
    rows = [
        (f"{answer.probability:.1%}", answer.outcome or ", ".join(answer.records), f"TTL {answer.ttl}")
        for answer in explanation.answers[:ANSWERS_SHOWN]
    ]
    if len(explanation.answers) > ANSWERS_SHOWN:
        rows.append(("…", f"{len(explanation.answers):,} different answers in all", ""))
    _section(console, "answers", rows)
    _section(console, "zone data", [(line,) for line in explanation.zone_answer])
    if explanation.policy and not explanation.error:
        console.print(f"\n{_remembered(explanation)}", soft_wrap=True, markup=False)


def _remembered(explanation: Explanation) -> str:
    if not explanation.memo:
        return "Not remembered (memo=False): run for every query."
    scope = f"; scope /{explanation.scope} of the client's address" if explanation.scope else ""
    key = (
        ", ".join(f"{fact.name} = {fact.value}" for fact in explanation.facts) or "nothing: the same for all"
    )
    return f"Remembered under {key}{scope}."


def _health_row(target: HealthInput) -> tuple[Any, ...]:
    from rich.text import Text

    age = "" if target.age is None else f", {target.age:.0f} s ago"
    why = f": {target.reason}" if target.reason else ""
    load = "" if target.load is None else f"load {target.load:.0%}"
    state = Text("up", "green") if target.available else Text("down", "red")
    return target.target, state, f"{target.source}{age}{why}", load, "looked at" if target.is_read else ""


def _section(console: Console, title: str, rows: list[tuple[Any, ...]]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(width=0)
    for _ in rows[0]:
        table.add_column(overflow="fold")
    for row in rows:
        table.add_row("", *(Text(cell) if isinstance(cell, str) else cell for cell in row))
    console.print()
    console.print(Text(title, "bold"))
    console.print(table)
