"""Measures the library and its peers on the same work, and draws up the table of it.

    python -m bench.speed                       all rows, docs/performance.md and its plot
    python -m bench.speed http-small --turns 1  one row, once; prints the table, and writes nothing

Contestants take turns in one run. build/bench keeps the results of earlier runs for the rows that
are not measured anew; `--write` writes the document whatever was measured, `--only-write` measures
nothing.
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, and returns the exit code: 1 if a measurement failed.

    Args:
        arguments: The command line; None is the process's own.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.speed", description=__doc__)
    names = [row.name for row in ROWS]
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"some of {', '.join(names)}")
    parser.add_argument("--turns", type=int, help="how often everybody does the work")
    parser.add_argument("--write", action="store_true", help="write the document in any case")
    parser.add_argument("--only-write", action="store_true", help="write it, and measure nothing")
    options = parser.parse_args(arguments)
    unknown = set(options.rows) - set(names)
    if unknown:
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    results = Results.load()
    began = time.monotonic()
    try:
        for row in ROWS if not options.only_write else ():
            if not options.rows or row.name in options.rows:
                results.add(row, row.measured(options.turns or row.turns, _say))
                results.save()
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(results.table())
    print(f"{time.monotonic() - began:.0f} s")
    if options.write or options.only_write or not (options.rows or options.turns):
        write_document(results)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
