"""The plot in the docs: CPU time per answer as bars, user and system apart, one group of bars per question (SVG)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from bench.results import middle, rows_of

WIDTH, LEFT, RIGHT = 860, 200, 60
BAR, GAP, HEADING, TOP = 16, 5, 30, 44
USER, SYSTEM, OWN_USER = "#7a8ca5", "#c9d2de", "#d9534f"
STYLE = "font-family:system-ui,sans-serif;font-size:12px;fill:#333"


def svg(run: Mapping[str, Any]) -> str:
    """One picture of all questions that have a CPU time per answer."""
    groups = []
    for question in run["questions"]:
        bars = [
            (row.server, user, system)
            for row in rows_of(question)
            if (user := middle(row, "user_us")) is not None and (system := middle(row, "system_us")) is not None
        ]
        if bars:
            groups.append((question["title"], bars))
    longest = max((user + system for _, bars in groups for _, user, system in bars), default=1.0)
    scale = (WIDTH - LEFT - RIGHT) / longest
    parts: list[str] = []
    y = TOP
    for title, bars in groups:
        y += HEADING
        parts.append(f'<text x="{LEFT}" y="{y - 8}" style="font-weight:600">{escape(title)}</text>')
        for server, user, system in bars:
            middle_y = y + BAR - 4
            parts.append(f'<text x="{LEFT - 8}" y="{middle_y}" text-anchor="end">{escape(server)}</text>')
            colour = OWN_USER if server.startswith("pippin") else USER
            parts.append(_bar(LEFT, y, user * scale, colour))
            parts.append(_bar(LEFT + user * scale, y, system * scale, SYSTEM))
            end = LEFT + (user + system) * scale + 6
            parts.append(f'<text x="{end:.1f}" y="{middle_y}">{user + system:.2f}</text>')
            y += BAR + GAP
    height = y + 10
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" style="{STYLE};background:#fff">',
            f'<text x="{LEFT}" y="22" style="font-size:15px;font-weight:600">Server CPU per answer, µs'
            " (less is better)</text>",
            f'<text x="{LEFT}" y="40">dark: the server\'s own (user) time; light: the kernel\'s (system) time</text>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _bar(x: float, y: float, width: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y}" width="{max(width, 0):.1f}" height="{BAR}" fill="{colour}"/>'
