"""A simulation as tables with bars, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

    from pippin.policy.simulate import Failure, Share, Simulation, Spread

BAR = 24
"""Characters of a bar for all traffic."""

EMPTY_SHOWN = 10
"""Names with empty answers that are listed; of more, the number."""

MODEL = (
    "Moved: a failed check is noticed after (fall - 1/2) x every + timeout; from then on caches expire evenly over "
    "one TTL. An answer with several records sends each the same share."
)


def show(console: Console, simulation: Simulation, clients: str, unit: str) -> None:
    """Print everything: where traffic goes now, what each failure moves, and where to."""
    console.print(f"{_number(simulation.total)} {unit} from {clients}\n", highlight=False)
    if simulation.unanswered:
        console.print(
            f"{_number(simulation.unanswered)} {unit} more are for names without a policy, and left out\n"
        )
    first = f"{', '.join(simulation.drained)} drained" if simulation.drained else "all targets up"
    console.print(_spread_table(first, simulation.before, None, simulation.total, unit))
    _show_findings(console, simulation.before, unit)
    if not simulation.failures:
        return
    console.print()
    console.print(_failures_table(simulation.failures, simulation.total, unit))
    for failure in simulation.failures:
        if failure.moved:
            console.print()
            title = f"{failure.target} has failed"
            console.print(_spread_table(title, failure.after, simulation.before, simulation.total, unit))
            _show_findings(console, failure.after, unit, simulation.before)
    console.print(f"\n{MODEL}", style="dim", highlight=False)


def as_json(simulation: Simulation, unit: str) -> dict[str, Any]:
    """The same as plain values."""
    import msgspec

    from pippin.policy.simulate import AFTER_TTLS

    shown: dict[str, Any] = msgspec.to_builtins(simulation)
    shown["unit"] = unit
    for failure in shown["failures"]:
        failure["moved_after"] = dict(zip(map(str, AFTER_TTLS), failure["moved_after"], strict=True))
    for spread in (shown["before"], *(failure["after"] for failure in shown["failures"])):
        spread["over"] = [share["target"] for share in spread["targets"] if _is_over(share)]
    return shown


def _is_over(share: dict[str, Any]) -> bool:
    return share["capacity"] is not None and share["traffic"] > share["capacity"]


def _spread_table(
    title: str, spread: Spread, before: Spread | None, total: float, unit: str
) -> RenderableType:
    """A row for each target; compared with `before`, for each whose traffic is another now."""
    from rich.text import Text

    table = _table("target", *(("before",) if before else ()), unit, "share", "capacity", "")
    was = {share.target: share.traffic for share in before.targets} if before else {}
    for share in spread.targets:
        old = was.get(share.target, 0.0)
        if before is not None and abs(share.traffic - old) <= 1e-9 * total:
            continue
        style = "bold red" if share.is_over else ""
        table.add_row(
            Text(share.target, style),
            *((_number(old),) if before else ()),
            Text(_number(share.traffic), style),
            _percent(share.traffic, total),
            "" if share.capacity is None else Text(_number(share.capacity), style),
            Text(_bar(share.traffic, total), "red" if share.is_over else "green"),
        )
    return _under(title, table)


def _failures_table(failures: Iterable[Failure], total: float, unit: str) -> RenderableType:
    from rich.text import Text

    from pippin.policy.simulate import AFTER_TTLS

    within = (f"{ttls} TTL{'s' if ttls > 1 else ''}" for ttls in AFTER_TTLS)
    table = _table("failed target", "noticed", "moves", "share", *within, "over", "empty")
    for failure in failures:
        after = failure.after
        table.add_row(
            failure.target,
            Text("never", "yellow") if failure.notice is None else f"{failure.notice:.1f} s",
            _number(failure.moved),
            _percent(failure.moved, total),
            *(f"{share:.0%}" if failure.moved else "" for share in failure.moved_after),
            Text(str(len(after.over)), "bold red") if after.over else "0",
            Text(_number(sum(lost.traffic for lost in after.empty)), "bold red") if after.empty else "0",
        )
    return _under("each failure by itself", table)


def _show_findings(console: Console, spread: Spread, unit: str, before: Spread | None = None) -> None:
    """What is wrong with a spread, and was not `before`."""
    known = set(_findings(before, unit)) if before else set()
    for line in _findings(spread, unit):
        if line in known:
            continue
        console.print(line, style="red", highlight=False, soft_wrap=True)


def _findings(spread: Spread, unit: str) -> Iterator[str]:
    for share in spread.over:
        yield f"{share.target} gets {_number(share.traffic)} {unit}, its capacity is {_capacity(share)}"
    for lost in spread.empty[:EMPTY_SHOWN]:
        yield f"{lost.name} {lost.type} is empty for {_number(lost.traffic)} {unit}: {lost.why}"
    if len(spread.empty) > EMPTY_SHOWN:
        yield f"and {len(spread.empty) - EMPTY_SHOWN:,} more names with empty answers"


def _capacity(share: Share) -> str:
    return _number(share.capacity or 0.0)


def _table(first: str, *others: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, no_wrap=True, justify="right" if name else "left")
    return table


def _under(title: str, table: Table) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    return Group(Text(title, "bold"), table)


def _bar(part: float, total: float) -> str:
    """In eighths of a character."""
    eighths = round(BAR * 8 * part / total) if total else 0
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _percent(part: float, total: float) -> str:
    return f"{part / total:.1%}" if total else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:.3g}"
