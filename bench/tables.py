"""The goals and figures of the measured rows, as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from bench.goals import MB, OURS, Spread, cpu_ratios, time_ratios
from bench.results import Results


def tables(results: Results) -> str:
    """Return the tables of the goals and of the figures.

    Args:
        results: The results of a machine.
    """
    return "\n".join([*_goals(results), "", *_figures(results)])


def _goals(results: Results) -> Iterator[str]:
    yield "| work | figure | goal | median | lowest to highest | pairs | |"
    yield "|---|---|---|---|---|---|---|"
    for row, measured in results.measured():
        for goal in row.goals:
            spread = goal.spread(measured)
            bound = "" if goal.bound is None else f"{_number(goal.bound)}{goal.unit}"
            yield (
                f"| {row.title} | {goal.text} | {bound} | {_number(spread.median)}{goal.unit} "
                f"| {_range(spread)} | {len(goal.values(measured))} | {goal.verdict(measured)} |"
            )


def _figures(results: Results) -> Iterator[str]:
    yield (
        "| work | program | seconds | processor | peak memory "
        "| time of ours, relative | processor time of ours, relative |"
    )
    yield "|---|---|---|---|---|---|---|"
    for row, measured in results.measured():
        for name, turns in measured.items():
            taken = turns.figures
            time = median(each.seconds for each in taken)
            each = f" ({1000 * time / turns.objects:.2f} ms each)" if turns.objects > 1 else ""
            ratios = ["", ""]
            if name != OURS and OURS in measured:
                ratios = [
                    _shown(Spread.of(time_ratios(measured, OURS, name))),
                    _shown(Spread.of(cpu_ratios(measured, OURS, name))),
                ]
            yield (
                f"| {row.title} | {name} | {time:.2f} s{each} "
                f"| {median(each.cpu_seconds for each in taken):.2f} s "
                f"| {median(each.memory for each in taken) / MB:.0f} MB | {' | '.join(ratios)} |"
            )


def _shown(spread: Spread) -> str:
    return f"{_number(spread.median)} ({_range(spread)})"


def _range(spread: Spread) -> str:
    return f"{_number(spread.lowest)} to {_number(spread.highest)}"


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
