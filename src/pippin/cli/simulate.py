"""`pippin simulate`: where the traffic goes, and what happens if something fails."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from pippin.cli.common import USAGE, Config, Files, count, fail

WIDTH = 160
"""Columns where the output is no terminal."""

EACH = "each"


def simulate(
    files: Files = None,
    clients: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads this at run time
        typer.Option(
            metavar="CSV", help="Who asks how much: network,weight[,name,type].", show_default=False
        ),
    ] = None,
    query_log: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            metavar="FILE", help="A query log of BIND, PowerDNS or CoreDNS, or JSON lines.", show_default=False
        ),
    ] = None,
    failing: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--fail",
            metavar="each|POOL/ADDRESS",
            help="Targets that fail, each by itself; `each` is all of them.",
            show_default=False,
        ),
    ] = None,
    drain: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            metavar="POOL/ADDRESS", help="Targets drained by hand, before and after failures.", show_default=False
        ),
    ] = None,
    at: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="TIME", help='When: "2026-12-24 18:00", UTC. Default: now.', show_default=False),
    ] = None,
    config: Config = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Where the traffic of clients goes, per target: with all of them up, and after failures.

    Shows targets over the capacity they declare, names with empty answers, and what share moves how fast.
    """
    import time
    from dataclasses import replace

    from pippin.cli.loading import load_policies, lookups
    from pippin.cli.shares import as_json, show
    from pippin.policy.given import moment
    from pippin.policy.simulate import simulate as spread
    from pippin.policy.traffic import TrafficError, read_networks, read_query_log
    from pippin.policy.trial import Trials
    from pippin.policy.what_if import Evaluation

    if (clients is None) == (query_log is None):
        fail("who asks? --clients CSV, or --query-log FILE", USAGE)
    loaded, _ = load_policies(files, config)
    targets = {target.key: target for target in loaded.targets}
    unit = "queries/s"
    try:
        when = time.time() if at is None else moment(at)
        if clients is not None:
            traffic = read_networks(clients)
            who = count(len(traffic), "row") + f" of {clients}"
        else:
            assert query_log is not None
            log = read_query_log(query_log)
            traffic = log.traffic
            who = f"{count(log.queries, 'query', 'queries')} of {query_log}"
            if log.seconds is None:  # what the log's queries are in a second is not known, so capacities say nothing
                unit = "queries"
                targets = {key: replace(target, capacity=None) for key, target in targets.items()}
    except (TrafficError, ValueError) as error:
        fail(error, USAGE)
    named = list(targets) if EACH in (failing or ()) else list(failing or ())
    for target in (*named, *(drain or ())):
        if target not in targets:
            fail(f"no target {target} here; there are {', '.join(targets) or 'none'}", USAGE)
    trials = Trials()
    try:
        simulation = spread(
            traffic,
            [(policy.name, policy.type) for policy in loaded.policies],
            Evaluation(loaded, lookups(loaded, {}), when, trials),
            targets,
            [target for target in named if target not in (drain or ())],
            frozenset(drain or ()),
        )
    finally:
        trials.close()
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(as_json(simulation, unit)))
        return
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    show(console, simulation, who, unit)
