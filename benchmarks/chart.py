"""A chart of a run, as SVG: how long everflow takes where each peer takes 1, row by row.

    python -m benchmarks.chart run.json docs/benchmarks.svg
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

COLORS = {"tensorflow": "#e8710a", "torch": "#c5221f", "jax": "#6a3fa0"}
SHAPES = {"tensorflow": "circle", "torch": "square", "jax": "diamond"}
LEFT, RIGHT, WIDTH, LINE, TOP = 390, 30, 960, 24, 64


def ratios(run: dict[str, Any], statistic: str = "median") -> dict[str, dict[str, float]]:
    """everflow's time over each peer's, by row and peer; rows that everflow failed or ran alone are left out."""
    found = {}
    for name, row in run["rows"].items():
        ours = row.get("everflow", {}).get(statistic)
        if ours:
            peers = {p: ours / row[p][statistic] for p in COLORS if row.get(p, {}).get(statistic)}
            if peers:
                found[name] = peers
    return found


def _mark(shape: str, x: float, y: float, color: str) -> str:
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{color}"/>'
    if shape == "square":
        return f'<rect x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9" fill="{color}"/>'
    points = f"{x:.1f},{y - 6:.1f} {x + 6:.1f},{y:.1f} {x:.1f},{y + 6:.1f} {x - 6:.1f},{y:.1f}"
    return f'<polygon points="{points}" fill="{color}"/>'


def _number(value: float) -> str:
    return f"{value:g}"


def chart(run: dict[str, Any]) -> str:
    """The SVG text of a run: a logarithmic axis, 1 in the middle of attention, a mark per peer.

    Raises:
      ValueError: no row has both everflow and a peer.
    """
    rows = ratios(run)
    if not rows:
        raise ValueError("expected a run with rows of everflow and of a peer; found none to compare")
    values = [value for peers in rows.values() for value in peers.values()]
    # Whole decades would waste the picture; 1, 2 and 5 of each decade are round enough.
    steps = [m * 10.0**e for e in range(-5, 6) for m in (1, 2, 5)]
    low = max((s for s in steps if s <= min(*values, 0.5)), default=steps[0])
    high = min((s for s in steps if s >= max(*values, 2.0)), default=steps[-1])

    def place(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(value / low) / math.log(high / low)

    bottom = TOP + LINE * len(rows)
    height = bottom + 34
    text = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="13">',
        "<title>everflow's time over its peers'</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<rect x="{LEFT}" y="{TOP}" width="{place(1.0) - LEFT:.1f}" height="{bottom - TOP}" fill="#e6f4ea"/>',
        '<text x="16" y="24" font-size="16" font-weight="bold" fill="#202124">everflow\'s time over its peers\'</text>',
        '<text x="16" y="44" fill="#5f6368">left of 1 (green): everflow is faster</text>',
    ]
    x = float(LEFT)
    versions = run.get("frameworks", {})
    for peer in (p for p in COLORS if any(p in peers for peers in rows.values())):
        label = f"{peer} {versions.get(peer, {}).get('version', '')}".strip()
        text.append(_mark(SHAPES[peer], x, 20, COLORS[peer]))
        text.append(f'<text x="{x + 12:.1f}" y="25" fill="#202124">{escape(label)}</text>')
        x += 50 + 7.2 * len(label)
    last = -math.inf
    for step in steps:
        if low <= step <= high:
            at = place(step)
            width = 2 if step == 1 else 1
            color = "#80868b" if step == 1 else "#dadce0"
            text.append(f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{bottom}" stroke="{color}" '
                        f'stroke-width="{width}"/>')
            if at - last > 30:
                text.append(f'<text x="{at:.1f}" y="{bottom + 20}" text-anchor="middle" '
                            f'fill="#5f6368">{_number(step)}</text>')
                last = at
    for number, (name, peers) in enumerate(rows.items()):
        y = TOP + LINE * (number + 0.5)
        text.append(f'<text x="{LEFT - 12}" y="{y + 4:.1f}" text-anchor="end" fill="#202124">{escape(name)}</text>')
        text.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#f1f3f4"/>')
        text += [_mark(SHAPES[peer], place(value), y, COLORS[peer]) for peer, value in peers.items()]
    return "\n".join([*text, "</svg>", ""])


def write_chart(run: dict[str, Any], path: str) -> None:
    Path(path).write_text(chart(run), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chart", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="what `python -m benchmarks --json` wrote")
    parser.add_argument("chart", help="the .svg file to write")
    options = parser.parse_args(arguments)
    try:
        write_chart(json.loads(Path(options.run).read_text(encoding="utf-8")), options.chart)
    except (OSError, ValueError, KeyError) as error:
        print(f"{options.run}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
