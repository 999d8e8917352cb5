"""Measure the library and comparable programs on the same work, and write the results table.

    python -m bench.speed                       all rows; writes docs/performance.md and the plot
    python -m bench.speed http-small --pairs 1  one row, one turn; prints the table only

Contestants take turns, and the figures of the same turn are compared. For rows that are not
measured again, the results of earlier runs on this machine in build/bench are used. `--write`
writes the document also after a partial measurement. `--only-write` does not measure.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from bench.measure import BenchError
from bench.performance import write_document
from bench.results import Results
from bench.rows import ROWS
from bench.tables import tables


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and return the exit code: 1 if a measurement failed.

    Args:
        arguments: The command line. Default: the arguments of this process.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.speed", description=__doc__)
    names = [row.name for row in ROWS]
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help=f"rows to measure: {', '.join(names)}"
    )
    parser.add_argument("--pairs", type=int, help="number of turns of each program")
    parser.add_argument(
        "--machine", help="name of this machine in the document, to tell equal machines apart"
    )
    parser.add_argument(
        "--write", action="store_true", help="write the document also after a partial measurement"
    )
    parser.add_argument(
        "--only-write", action="store_true", help="write the document without measuring"
    )
    options = parser.parse_args(arguments)
    unknown = set(options.rows) - set(names)
    if unknown:
        parser.error(f"unknown row: {', '.join(sorted(unknown))}")
    results = Results.load(options.machine)
    began = time.monotonic()
    try:
        for row in ROWS if not options.only_write else ():
            if not options.rows or row.name in options.rows:
                results.rows[row.name] = row.measured(options.pairs or row.pairs, _print)
                results.save()
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(tables(results))
    print(f"{time.monotonic() - began:.0f} s")
    if options.write or options.only_write or not (options.rows or options.pairs):
        write_document(results)
    return 0


def _print(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
