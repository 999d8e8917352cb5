"""Writer of the tables and the plot of docs/performance.md."""

from __future__ import annotations

from bench.measure import ROOT
from bench.results import Results

_DOCUMENT = ROOT / "docs" / "performance.md"
_PLOT = ROOT / "docs" / "images" / "performance.png"
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"


def write_document(results: Results) -> None:
    """Write the tables between the markers of the document, and draw the plot.

    Args:
        results: The results.
    """
    before, _, rest = _DOCUMENT.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    figures = f"{results.machine}.\n\n{results.table()}"
    _DOCUMENT.write_text(f"{before}{_BEGIN}\n\n{figures}\n\n{_END}{after}")
    _draw(results)


def _draw(results: Results) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    rows = [(row, medians) for row, medians in results.measured() if len(medians) > 1]
    columns = 3
    lines = -(-len(rows) // columns)
    figure, axes = pyplot.subplots(lines, columns, figsize=(12, 2.1 * lines), squeeze=False)
    for axis in axes.flat[len(rows) :]:
        axis.set_visible(False)
    for axis, (row, medians) in zip(axes.flat, rows, strict=False):
        names = list(medians)[::-1]
        values = [1000 * medians[name].each for name in names]
        unit = "ms"
        if max(values) > 1000:
            values, unit = [value / 1000 for value in values], "s"
        colors = ["#1f6f8b" if name.startswith(("ours", "flow")) else "#b8b8b8" for name in names]
        bars = axis.barh(names, values, color=colors)
        axis.bar_label(bars, fmt="%.3g", padding=2, fontsize=7)
        axis.set_title(row.title, fontsize=9, loc="left")
        axis.set_xlabel(f"{unit} per file" if next(iter(medians.values())).objects > 1 else unit)
        axis.xaxis.label.set_fontsize(7)
        axis.tick_params(labelsize=7)
        axis.margins(x=0.15)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(_PLOT, dpi=110)
    pyplot.close(figure)
