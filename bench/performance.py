"""Writer of the tables and the plot of docs/performance.md, with tables for each machine."""

from __future__ import annotations

import re
from statistics import median

from bench.goals import Turns
from bench.measure import ROOT
from bench.results import Results
from bench.tables import tables

_DOCUMENT = ROOT / "docs" / "performance.md"
_PLOT = ROOT / "docs" / "images" / "performance.png"
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"
_MACHINE = re.compile(r"^### (.+?)$\n(.*?)(?=^### |\Z)", re.MULTILINE | re.DOTALL)


def write_document(results: Results) -> None:
    """Write the tables of a machine between the markers of the document, and draw the plot.

    Args:
        results: The results of the machine.
    """
    text = _DOCUMENT.read_text()
    _DOCUMENT.write_text(with_machine(text, results.machine, tables(results)))
    _draw(results)


def with_machine(document: str, machine: str, figures: str) -> str:
    """Return the document with the tables of a machine. The tables of other machines stay.

    Args:
        document: The text of the document, with both markers.
        machine: Name of the machine.
        figures: The tables.
    """
    before, _, rest = document.partition(_BEGIN)
    section, _, after = rest.partition(_END)
    machines = {name: tables.strip() for name, tables in _MACHINE.findall(section)}
    machines[machine] = figures
    sections = "\n\n".join(f"### {name}\n\n{tables}" for name, tables in machines.items())
    return f"{before}{_BEGIN}\n\n{sections}\n\n{_END}{after}"


def _draw(results: Results) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    rows = [(row, measured) for row, measured in results.measured() if len(measured) > 1]
    columns = 3
    lines = -(-len(rows) // columns)
    figure, axes = pyplot.subplots(lines, columns, figsize=(12, 2.1 * lines), squeeze=False)
    for axis in axes.flat[len(rows) :]:
        axis.set_visible(False)
    for axis, (row, measured) in zip(axes.flat, rows, strict=False):
        names = list(measured)[::-1]
        values = [1000 * _seconds_each(measured[name]) for name in names]
        unit = "ms"
        if max(values) > 1000:
            values, unit = [value / 1000 for value in values], "s"
        colors = ["#1f6f8b" if name.startswith(("ours", "flow")) else "#b8b8b8" for name in names]
        bars = axis.barh(names, values, color=colors)
        axis.bar_label(bars, fmt="%.3g", padding=2, fontsize=7)
        axis.set_title(row.title, fontsize=9, loc="left")
        has_files = next(iter(measured.values())).objects > 1
        axis.set_xlabel(f"{unit} per file" if has_files else unit)
        axis.xaxis.label.set_fontsize(7)
        axis.tick_params(labelsize=7)
        axis.margins(x=0.15)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(_PLOT, dpi=110)
    pyplot.close(figure)


def _seconds_each(turns: Turns) -> float:
    return median(taken.seconds for taken in turns.figures) / turns.objects
