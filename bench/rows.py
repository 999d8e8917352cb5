"""The rows of the results table: work, contestants and goals."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from bench.contest import OURS, Contestant, Goal, Row, memory, ratio, seconds
from bench.contestants.pairs import CONCURRENCY
from bench.lab import PEER, Lab, aws_environment, lab, peer_python
from bench.measure import measure
from bench.servers import far_away, free_port, nginx, prefect_server, program_path, rclone_s3
from bench.work import Work, item_collection

KIB, MIB = 1024, 1024 * 1024

ONE_CONNECTION = "ours, one connection"
UNVERIFIED = "ours, unverified"
LIBRARY, FLOW, EMPTY = "library", "flow", "flow of one asset"


@contextmanager
def _http(count: int, size: int) -> Iterator[list[Contestant]]:
    with lab() as here:
        work = here.made(count, size)
        with nginx(here.served) as origin:
            base = f"{origin}/bucket"
            document = work.document(base, here.folder / "items.json")
            pairs = work.pairs(base, here.folder / "pairs.txt")
            yield [
                here.ours(document, work),
                here.peer(document, work),
                here.script("obstore", "obstore_get", pairs, work),
                here.script("bare aiohttp", "bare_aiohttp", pairs, work),
                here.aria2(work, base, f"--max-concurrent-downloads={CONCURRENCY}", "--split=1"),
                here.curl(work, base),
                here.copy(work),
            ]


@contextmanager
def _s3_small() -> Iterator[list[Contestant]]:
    with lab() as here:
        work = here.made(5_000, 64 * KIB)
        few = replace(work, names=work.names[:400])
        with rclone_s3(here.served) as endpoint:
            document = work.document("s3://bucket", here.folder / "items.json")
            short = few.document("s3://bucket", here.folder / "few.json")
            pairs = work.pairs("s3://bucket", here.folder / "pairs.txt")
            yield [
                here.ours(document, work, s3_endpoint_url=endpoint),
                here.peer(short, few, 3, s3_endpoint_url=endpoint, s3_requester_pays=True),
                here.script("obstore", "obstore_get", pairs, work, endpoint),
                here.script("bare aiobotocore", "bare_aiobotocore", pairs, work, endpoint),
                _s5cmd(here, work, endpoint),
                _rclone(here, work, endpoint),
                here.copy(work),
            ]


def _s5cmd(here: Lab, work: Work, endpoint: str) -> Contestant:
    to = ("--endpoint-url", endpoint, "--numworkers", str(CONCURRENCY), "--log", "error")
    return here.program(
        "s5cmd", "s5cmd", *to, "cp", "s3://bucket/*", "OUT/", work=work,
        environment=aws_environment(),
    )  # fmt: skip


def _rclone(here: Lab, work: Work, endpoint: str) -> Contestant:
    keys = aws_environment()
    environment = {
        "RCLONE_CONFIG_PEER_TYPE": "s3",
        "RCLONE_CONFIG_PEER_PROVIDER": "Rclone",
        "RCLONE_CONFIG_PEER_ENDPOINT": endpoint,
        "RCLONE_CONFIG_PEER_ACCESS_KEY_ID": keys["AWS_ACCESS_KEY_ID"],
        "RCLONE_CONFIG_PEER_SECRET_ACCESS_KEY": keys["AWS_SECRET_ACCESS_KEY"],
        "RCLONE_CONFIG": "/dev/null",
    }
    options = (
        "--transfers",
        str(CONCURRENCY),
        "--no-traverse",
        "--fast-list",
        "--use-server-modtime",
    )
    return here.program(
        "rclone", "rclone", "copy", *options, "peer:bucket", "OUT", work=work,
        environment=environment,
    )  # fmt: skip


@contextmanager
def _slow_connections() -> Iterator[list[Contestant]]:
    with lab() as here:
        work = here.made(1, 512 * MIB)
        with nginx(here.served) as fast, far_away(fast, 1, rate=20_000_000) as origin:
            base = f"{origin}/bucket"
            document = work.document(base, here.folder / "items.json")
            ranges = ("--max-connection-per-server=16", "--split=16", "--min-split-size=1M")
            yield [
                here.ours(document, work),
                here.ours(document, work, ONE_CONNECTION, max_connections_per_file=1),
                here.aria2(work, base, *ranges),
            ]


@contextmanager
def _distant() -> Iterator[list[Contestant]]:
    with lab() as here:
        work = here.made(2_000, 16 * KIB)
        with nginx(here.served) as near, far_away(near, milliseconds=50) as origin:
            base = f"{origin}/bucket"
            document = work.document(base, here.folder / "items.json")
            yield [
                here.ours(document, work),
                here.aria2(work, base, f"--max-concurrent-downloads={CONCURRENCY}", "--split=1"),
                here.curl(work, base),
            ]


@contextmanager
def _rerun() -> Iterator[list[Contestant]]:
    with lab() as here:
        work = here.made(10_000, 4 * KIB)
        port = free_port()  # No server listens on this port, so any request fails the run.
        document = work.document(f"http://127.0.0.1:{port}/bucket", here.folder / "items.json")
        found = []
        for contestant in (here.ours(document, None), here.peer(document, work)):
            assert contestant.directory is not None
            shutil.copytree(work.folder, contestant.directory)
            found.append(replace(contestant, directory=None, work=None, objects=1))
        yield found


@contextmanager
def _verified() -> Iterator[list[Contestant]]:
    with lab() as here:
        work = here.made(4, 512 * MIB)
        with nginx(here.served) as origin:
            base = f"{origin}/bucket"
            plain = work.document(base, here.folder / "plain.json")
            described = work.document(base, here.folder / "described.json", checksums=True)
            yield [here.ours(described, work), here.ours(plain, work, UNVERIFIED)]


@contextmanager
def _plan() -> Iterator[list[Contestant]]:
    with lab() as here:
        document = here.folder / "items.json"
        assets = (
            (f"item-{n:05}", _described(f"https://example.com/item-{n:05}/band-{band}.tif"))
            for n in range(10_000)
            for band in range(10)
        )
        document.write_text(json.dumps(item_collection(assets)))
        contestant = here.ours(document, None)
        yield [replace(contestant, command=(*contestant.command, "--plan"))]


def _described(href: str) -> dict[str, Any]:
    checksum = "1220" + "ab" * 32
    return {"href": href, "type": "image/tiff", "file:size": 1_000, "file:checksum": checksum}


@contextmanager
def _import() -> Iterator[list[Contestant]]:
    yield from _both("-P", "-c", "import stac_asset")


@contextmanager
def _help() -> Iterator[list[Contestant]]:
    peer = str(peer_python().with_name("stac-asset"))
    yield _warm([
        Contestant(OURS, (program_path("stac-asset"), "--help")),
        Contestant(PEER, (peer, "--help")),
    ])  # fmt: skip


def _both(*arguments: str) -> Iterator[list[Contestant]]:
    yield _warm([
        Contestant(OURS, (sys.executable, *arguments)),
        Contestant(PEER, (str(peer_python()), *arguments)),
    ])  # fmt: skip


def _warm(contestants: list[Contestant]) -> list[Contestant]:
    """Run each contestant once, so that all modules are compiled, and return the contestants."""
    cached = [replace(each, environment={"PYTHONDONTWRITEBYTECODE": ""}) for each in contestants]
    for contestant in cached:
        measure(contestant.command, contestant.environment)
    return cached


@contextmanager
def _flow() -> Iterator[list[Contestant]]:
    with lab() as here:
        work = here.made(5_000, 64 * KIB)
        one = replace(work, names=work.names[:1])
        with nginx(here.served) as origin, prefect_server(here.folder / "prefect") as environment:
            base = f"{origin}/bucket"
            document = work.document(base, here.folder / "items.json")
            short = one.document(base, here.folder / "one.json")
            command = (sys.executable, "-m", "bench.contestants.flow")
            library = here.ours(document, work, LIBRARY)
            found = [replace(library, command=(*library.command, "--reading"))]
            for name, source, wanted in ((FLOW, document, work), (EMPTY, short, one)):
                out = here.out(name)
                arguments = (*command, str(source), str(out))
                found.append(Contestant(name, arguments, environment, 1, wanted, out))
            yield [replace(each, objects=1) for each in found]


_OVERHEAD = Goal(
    "time without that of one asset, relative to the library",
    lambda all: (all[FLOW].seconds - all[EMPTY].seconds) / all[LIBRARY].seconds,
    1.25,
)

ROWS = (
    Row(
        "http-small",
        "HTTP, 5,000 files of 64 KiB",
        5,
        lambda: _http(5_000, 64 * KIB),
        (ratio(PEER, 0.5), ratio("obstore", 1.1)),
    ),
    Row(
        "http-medium",
        "HTTP, 200 files of 4 MiB",
        7,
        lambda: _http(200, 4 * MIB),
        (ratio(PEER, 0.8), ratio("obstore", 1.0)),
    ),
    Row(
        "http-large",
        "HTTP, 4 files of 512 MiB",
        5,
        lambda: _http(4, 512 * MIB),
        (ratio(PEER, 0.85), ratio("obstore", 1.1)),
    ),
    Row(
        "s3-small",
        "S3, 5,000 files of 64 KiB",
        5,
        _s3_small,
        (ratio(PEER, 1 / 20), ratio("s5cmd", 1.6), memory(150)),
    ),
    Row(
        "ranges",
        "one file of 512 MiB, 20 MB/s per connection",
        3,
        _slow_connections,
        (ratio(ONE_CONNECTION, 1 / 6), ratio("aria2", 1.0)),
    ),
    Row(
        "distant",
        "2,000 files of 16 KiB, 50 ms round trip",
        5,
        _distant,
        (ratio("aria2", 1.0), ratio("curl", 1.0)),
    ),
    Row("rerun", "rerun over 10,000 existing files", 5, _rerun, (seconds(2.0),)),
    Row(
        "verified",
        "4 files of 512 MiB, checksums verified",
        5,
        _verified,
        (ratio(UNVERIFIED, 1.15),),
    ),
    Row("plan", "planning 100,000 assets", 3, _plan, (seconds(10.0), memory(300))),
    Row("import", "import stac_asset", 15, _import, (ratio(PEER, 1.0),)),
    Row("help", "stac-asset --help", 15, _help, (ratio(PEER, 1.0),)),
    Row("flow", "a flow over 5,000 assets", 5, _flow, (_OVERHEAD,)),
)
"""All rows, in the order of the table."""
