"""The table, and the comparison of results."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.registry import Workload


def quantity(value: float, unit: str) -> str:
    """A number for people: 8.9 us, 14.0 ms, 312 MiB."""
    if unit == "MiB":
        return f"{value:.0f} MiB"
    if not unit.startswith("s"):
        return f"{value:.3g} {unit}"
    for limit, factor, name in ((1e-3, 1e6, "us"), (1.0, 1e3, "ms")):
        if value < limit:
            value *= factor
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {name}"
    return f"{value:.2f} s"


def ratio_text(workload: Workload, row: dict[str, Any], peer: str, statistic: str) -> str:
    """everflow's time over the peer's; a star when it is more than everflow aims at."""
    ours, theirs = row.get("everflow", {}), row.get(peer, {})
    if statistic not in ours or statistic not in theirs:
        return ""
    ratio = ours[statistic] / theirs[statistic]
    return f"{ratio:.2f}" + ("*" if ratio > workload.at_most.get(peer, float("inf")) else " ")


def aligned(lines: list[list[str]]) -> list[str]:
    """Columns of one width each, the first on the left, with a rule below the heading."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = []
    for name, *cells in lines:
        text.append("  ".join([name.ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells, widths[1:], strict=True))]))
    text.insert(1, "-" * len(text[0]))
    return text


def render(
    workloads: list[Workload],
    rows: dict[str, dict[str, Any]],
    frameworks: list[str],
    statistic: str = "median",
) -> str:
    """Rows of workloads; columns of times, then of ratios."""
    peers = [f for f in frameworks if f != "everflow"] if "everflow" in frameworks else []
    lines = [["workload", *frameworks, *(f"ef/{p}" for p in peers)]]
    for workload in workloads:
        row = rows.get(workload.name, {})
        cells = [workload.name]
        for framework in frameworks:
            result = row.get(framework)
            if result is None:
                cells.append("-")
            else:
                cells.append(quantity(result[statistic], workload.unit) if statistic in result else "failed")
        lines.append(cells + [ratio_text(workload, row, peer, statistic) for peer in peers])
    text = aligned(lines)
    if any(cell.endswith("*") for line in lines for cell in line[1:]):
        text.append("* more than everflow aims at")
    return "\n".join(text)


def render_resources(workloads: list[Workload], rows: dict[str, dict[str, Any]], frameworks: list[str]) -> str:
    """What the same steps took of the processor, all threads together, and the largest resident memory."""
    lines = [["processor time, peak memory", *frameworks]]
    for workload in workloads:
        cells = []
        for framework in frameworks:
            result = rows.get(workload.name, {}).get(framework, {})
            parts = []
            if "processor" in result:
                parts.append(quantity(result["processor"], workload.unit))
            if result.get("peak_bytes") and workload.unit == "s":
                parts.append(quantity(result["peak_bytes"] / 2**20, "MiB").rjust(8))
            cells.append(" ".join(parts) or "-")
        if any(cell != "-" for cell in cells):
            lines.append([workload.name, *cells])
    return "\n".join(["", *aligned(lines)]) if len(lines) > 1 else ""


def _relative_error(values: list[list[float]], reference: list[list[float]]) -> float:
    """The largest difference in any of the arrays, as a part of that array's largest number."""
    if [len(v) for v in values] != [len(r) for r in reference]:
        return float("inf")
    errors = [
        float(np.abs(np.subtract(value, expected)).max()) / max(1e-30, float(np.abs(expected).max()))
        for value, expected in zip(values, reference, strict=True)
    ]
    return float(np.max(errors))


def difference(workload: Workload, row: dict[str, Any]) -> list[str]:
    """Sentences about frameworks whose result is not that of the first one with a result."""
    found = {name: r["fingerprint"] for name, r in row.items() if r.get("fingerprint")}
    if workload.tolerance is None or len(found) < 2:
        return []
    # TensorFlow's own result is the reference where there is one.
    reference = "tensorflow" if "tensorflow" in found else next(iter(found))
    problems = []
    for name, values in found.items():
        error = _relative_error(values, found[reference])
        if not error <= workload.tolerance:
            problems.append(
                f"{workload.name}: {name}'s result differs from {reference}'s by a relative {error:.2g}"
            )
    return problems
