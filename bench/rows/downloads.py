"""Downloads from slow or distant servers, and with verified checksums."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.contest import Contestant, Row
from bench.contestants.pairs import CONCURRENCY
from bench.goals import ASYNC, ratio
from bench.lab import lab
from bench.rows.http import KIB, MIB
from bench.servers import far_away, nginx

_ONE_CONNECTION = "ours, one connection"
_UNVERIFIED = "ours, unverified"


@contextmanager
def _slow_connections() -> Iterator[list[Contestant]]:
    with lab() as here:
        work = here.made(1, 512 * MIB)
        with nginx(here.served) as fast, far_away(fast, 1, rate=20_000_000) as origin:
            base = f"{origin}/bucket"
            document = work.document(base, here.folder / "items.json")
            ranges = ("--max-connection-per-server=16", "--split=16", "--min-split-size=1M")
            # With one connection, the rate alone sets the time, so one turn is enough.
            yield [
                *here.both(document, work),
                here.aria2(work, base, *ranges),
                here.ours(document, work, _ONE_CONNECTION, turns=1, max_connections_per_file=1),
                here.curl(work, base, turns=1),
            ]


@contextmanager
def _saturated() -> Iterator[list[Contestant]]:
    with lab() as here:
        work = here.made(4, 64 * MIB)
        with nginx(here.served) as fast, far_away(fast, 5, total=100_000_000) as origin:
            document = work.document(f"{origin}/bucket", here.folder / "items.json")
            one = here.ours(document, work, _ONE_CONNECTION, max_connections_per_file=1)
            yield [*here.both(document, work), one]


@contextmanager
def _distant() -> Iterator[list[Contestant]]:
    with lab() as here:
        work = here.made(2_000, 16 * KIB)
        with nginx(here.served) as near, far_away(near, milliseconds=50) as origin:
            base = f"{origin}/bucket"
            document = work.document(base, here.folder / "items.json")
            yield [
                *here.both(document, work),
                here.aria2(work, base, f"--max-concurrent-downloads={CONCURRENCY}", "--split=1"),
                here.curl(work, base),
            ]


@contextmanager
def _verified() -> Iterator[list[Contestant]]:
    with lab() as here:
        work = here.made(4, 512 * MIB)
        with nginx(here.served) as origin:
            base = f"{origin}/bucket"
            plain = work.document(base, here.folder / "plain.json")
            described = work.document(base, here.folder / "described.json", checksums=True)
            yield [*here.both(described, work), here.ours(plain, work, _UNVERIFIED)]


ROWS = (
    Row(
        "ranges",
        "one file of 512 MiB, 20 MB/s per connection",
        _slow_connections,
        (ratio("aria2", 1.0), ratio("curl", 1.0), ratio(_ONE_CONNECTION, 1 / 6)),
    ),
    Row(
        "saturated",
        "4 files of 64 MiB, 100 MB/s in total",
        _saturated,
        (ratio(_ONE_CONNECTION, 1.03), ratio(_ONE_CONNECTION, 1.03, ASYNC)),
    ),
    Row(
        "distant",
        "2,000 files of 16 KiB, 50 ms round trip",
        _distant,
        (ratio("aria2", 1.0), ratio("curl", 1.0)),
    ),
    Row(
        "verified",
        "4 files of 512 MiB, checksums verified",
        _verified,
        (ratio(_UNVERIFIED, 1.1),),
    ),
)
