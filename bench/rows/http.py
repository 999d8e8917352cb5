"""Downloads over HTTP and HTTPS, into memory and onto a disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.contest import Contestant, Row
from bench.contestants.pairs import CONCURRENCY
from bench.goals import ASYNC, PEER, Goal, cpu_ratio, memory, ratio
from bench.lab import lab
from bench.servers import nginx

KIB, MIB = 1024, 1024 * 1024
_NO_SYNC = "ours, no sync"


@contextmanager
def _http(count: int, size: int, tls: bool) -> Iterator[list[Contestant]]:
    with lab(tls=tls) as here:
        work = here.made(count, size)
        with nginx(here.served, here.certificate) as origin:
            base = f"{origin}/bucket"
            document = work.document(base, here.folder / "items.json")
            pairs = work.pairs(base, here.folder / "pairs.txt")
            limit = f"--max-concurrent-downloads={CONCURRENCY}"
            found = [
                *here.both(document, work),
                here.peer(document, work),
                here.script("obstore", "obstore_get", pairs, work),
                here.curl(work, base),
            ]
            if not tls:  # The limits of the machine and of aiohttp, once.
                found += [
                    here.script("bare aiohttp", "bare_aiohttp", pairs, work),
                    here.aria2(work, base, limit, "--split=1"),
                    here.copy(work),
                ]
            yield found


@contextmanager
def _disk(count: int, size: int) -> Iterator[list[Contestant]]:
    with lab(on_disk=True) as here:
        work = here.made(count, size)
        with nginx(here.served) as origin:
            base = f"{origin}/bucket"
            document = work.document(base, here.folder / "items.json")
            yield [
                *here.both(document, work),
                here.ours(document, work, _NO_SYNC, fsync=False),
                here.peer(document, work),
                here.curl(work, base),
            ]


_SMALL = (ratio(PEER, 0.5), ratio("obstore", 1.0), ratio(PEER, 0.6, ASYNC))
_MEDIUM = (ratio(PEER, 0.7), ratio("obstore", 0.95))
_LARGE = (ratio(PEER, 0.65), ratio("obstore", 0.9), ratio("curl", 0.9), memory(64))
_CPU = (cpu_ratio(PEER, 0.6), cpu_ratio(PEER, 0.6, ASYNC))
_ON_DISK = (ratio(_NO_SYNC, None), ratio(PEER, None), ratio(PEER, None, _NO_SYNC))
"""No goal: the price of syncs depends on the disk, and no other program syncs."""


def _rows(scheme: str, tls: bool) -> tuple[Row, ...]:
    def row(name: str, title: str, count: int, size: int, goals: tuple[Goal, ...]) -> Row:
        contestants = lambda: _http(count, size, tls)  # noqa: E731
        return Row(f"{scheme.lower()}-{name}", f"{scheme}, {title}", contestants, goals + _CPU)

    return (
        row("small", "5,000 files of 64 KiB", 5_000, 64 * KIB, _SMALL),
        row("medium", "200 files of 4 MiB", 200, 4 * MIB, _MEDIUM),
        row("large", "4 files of 512 MiB", 4, 512 * MIB, _LARGE),
    )


ROWS = (
    *_rows("HTTP", tls=False),
    *_rows("HTTPS", tls=True),
    Row(
        "disk-medium",
        "HTTP onto a disk, 200 files of 4 MiB",
        lambda: _disk(200, 4 * MIB),
        _ON_DISK,
    ),
    Row(
        "disk-small",
        "HTTP onto a disk, 2,000 files of 64 KiB",
        lambda: _disk(2_000, 64 * KIB),
        _ON_DISK,
    ),
)
