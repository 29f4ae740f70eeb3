"""`pippin status`: how the running server is."""

from __future__ import annotations

import time
from collections import Counter
from typing import Annotated, Any, Optional

import typer

from pippin.cli.common import FAILED, Config, Control, age, ask, count

POLICY_COUNTS = ("hits", "evaluations", "failures", "overruns", "fallbacks", "fail_open", "rests", "impure")
"""What is shown of a policy; `--json` has more."""

POLICIES_SHOWN = 20

LIVE_COUNTS = ("looked_up", "merged", "repeated", "no_zone", "invalid", "stale", "timeouts", "failures", "dropped")
"""The same of a live source; `waiting` is as of now."""

FORWARD_COUNTS = ("questions", "hits", "merged", "asked", "failed", "stale", "prefetched", "overflowed")
FORWARD_REFUSALS = ("prohibited", "not_supported", "not_remembered")
UPSTREAM_COUNTS = (
    *("asked", "answered", "late", "unreachable", "over_tcp"),
    *("wrong_id", "wrong_question", "wrong_case", "wrong_format"),
)
SHARED_COUNTS = ("found", "missed", "written", "failed", "unreadable")
"""The same of forwarding: of questions that workers had no answer to at once; of each upstream; of the shared cache."""


def status(
    config: Config = None,
    control: Control = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    max_behind: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="Exit code 1 if a source may have had changes for longer that are not served, or a worker is silent.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Version, engine, zones, sources, policies, and every worker with its counters."""
    answer = ask(control, config, {"do": "status"})
    _show(answer, json)
    if max_behind is not None and (_behind(answer["databases"]) > max_behind or not _all_answer(answer["workers"])):
        raise typer.Exit(FAILED)


def _behind(databases: list[dict[str, Any]]) -> float:
    """Seconds for which the worst source may have had changes that are not here; 0: none has."""
    now = time.time()
    return max((now - one["behind_since"] for one in databases if one["behind_since"] is not None), default=0.0)


def _all_answer(workers: list[dict[str, Any]]) -> bool:
    return all(worker["answering"] for worker in workers)


def _show(answer: dict[str, Any], json: bool) -> None:
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(answer))
        return
    up = int(time.time() - answer["since"])
    typer.echo(f"pippin {answer['version']}, {answer['engine']} engine, pid {answer['pid']}, up {up} s")
    rejected = f", {answer['rejected']} with a rejected file" if answer["rejected"] else ""
    typer.echo(f"{count(answer['zones'], 'zone')}, {count(answer['records'], 'record')}{rejected}")
    for database in answer["databases"]:
        for line in _database_lines(database):
            typer.echo(line)
    for line in _live_lines([worker["live"] for worker in answer["workers"]]):
        typer.echo(line)
    for line in _forward_lines([worker["forwarding"] for worker in answer["workers"]]):
        typer.echo(line)
    if (policies := answer["policies"])["files"]:
        typer.echo(
            f"{count(policies['policies'], 'policy', 'policies')}, {count(policies['targets'], 'target')}, "
            f"generation {policies['generation']}, checker pid {policies['checker'] or '-'}  "
            f"restarts {policies['checker_restarts']}"
        )
        for line in _policy_lines([worker["policies"] for worker in answer["workers"]]):
            typer.echo(line)
    for number, worker in enumerate(answer["workers"]):
        state = "answering" if worker["answering"] else "starting"
        typer.echo(f"worker {number}  pid {worker['pid']}  {state}  restarts {worker['restarts']}")
        counters = {**worker["counters"], "log_position": 0}  # where it reads, no count of anything
        typer.echo("  " + "  ".join(f"{name} {value:,}" for name, value in counters.items() if value))


def _policy_lines(workers: list[list[dict[str, Any]]]) -> list[str]:
    """What all workers together have counted for each policy, those that fail first."""
    sums: dict[str, Counter[str]] = {}
    for statistics in workers:
        for policy in statistics:
            counted = sums.setdefault(f"{policy['name']} {policy['type']}", Counter())
            counted.update({name: policy[name] for name in POLICY_COUNTS})
    by_failures = sorted(sums.items(), key=lambda one: -one[1]["failures"])
    lines = [
        f"  {name}  " + "  ".join(f"{what} {counted[what]:,}" for what in POLICY_COUNTS if counted[what])
        for name, counted in by_failures[:POLICIES_SHOWN]
    ]
    return [*lines, "  …"] if len(by_failures) > POLICIES_SHOWN else lines


def _live_lines(workers: list[list[dict[str, Any]]]) -> list[str]:
    """`live postgresql://…  there  looked_up 17`: what all workers together have counted for each live source."""
    lines = []
    for source in zip(*(worker for worker in workers if worker), strict=True):
        counted = Counter[str]()
        for one in source:
            counted.update({name: one[name] for name in (*LIVE_COUNTS, "waiting", "remembered")})
        counts = "  ".join(f"{name} {value:,}" for name, value in counted.items() if value)
        away = [one for one in source if one["away_since"]]
        state = "there"
        if away:
            since = age(time.time() - min(one["away_since"] for one in away))
            state = f"away for {since}" + (f" for {len(away)} of {len(source)} workers" if away != [*source] else "")
        lines.append(f"live {source[0]['source']}  {state}  {counts}")
        lines += [f"  {error}" for error in sorted({one["error"] for one in away})]
    return lines


def _forward_lines(workers: list[dict[str, Any] | None]) -> list[str]:
    """`forward  questions 1,234 …`, and a line for each upstream: what all workers together have counted."""
    forwarders = [worker["forwarder"] for worker in workers if worker]
    if not forwarders:
        return []
    counted = Counter[str]()
    for worker in workers:
        if worker:
            counted.update({name: worker["forwarder"][name] for name in FORWARD_COUNTS})
            counted.update({name: worker[name] for name in FORWARD_REFUSALS})
            counted.update({"remembered": worker["forwarder"]["cache"]["entries"]})
    lines = ["forward  " + _counts(counted)]
    for upstream in zip(*(forwarder["upstreams"] for forwarder in forwarders), strict=True):
        asked = Counter[str]()
        for one in upstream:
            asked.update({name: one[name] for name in UPSTREAM_COUNTS})
        times = [one["milliseconds"] for one in upstream if one["milliseconds"]]
        state = f"{sum(times) / len(times):.1f} ms" if times else "not asked yet"
        if resting := sum(one["resting"] for one in upstream):
            some = f" by {resting} of {len(upstream)} workers" if resting < len(upstream) else ""
            state = f"fails, asked last{some}"
        lines.append(f"  upstream {upstream[0]['address']}  {state}  {_counts(asked)}".rstrip())
    shared = [forwarder["shared"] for forwarder in forwarders if forwarder["shared"]]
    if shared:
        kept = Counter[str]()
        for one in shared:
            kept.update({name: one[name] for name in SHARED_COUNTS})
        state = "away  " if any(one["resting"] for one in shared) else ""
        lines.append(f"  shared cache  {state}{_counts(kept)}".rstrip())
    return lines


def _counts(counted: Counter[str]) -> str:
    return "  ".join(f"{name} {value:,}" for name, value in counted.items() if value)


def _database_lines(database: dict[str, Any]) -> list[str]:
    """`source postgresql://…  connected since …`, and below it what is behind."""
    line = f"source {database['source']}  {count(database['zones'], 'zone')}"
    if database["rejected"]:
        line += f", {database['rejected']} not as they are there"
    if database["state"] != "connected":
        since = time.time() - database["behind_since"]
        return [f"{line}  away, perhaps behind since {age(since)}", f"  {database['error']}"]
    line += f"  connected {age(time.time() - database['since'])}, {database['following']}"
    if database["last_change"] is not None:
        line += f", last change {age(time.time() - database['last_change'])} ago"
    if missing := database["missing"]:
        return [line, f"  missing there, and served as they were: {count(missing, 'zone')}"]
    return [line]
