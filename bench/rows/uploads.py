"""Downloads from HTTP servers to S3 buckets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.contest import Contestant, Row
from bench.contestants.pairs import CONCURRENCY
from bench.goals import ASYNC, OURS, cpu_ratio, memory, ratio
from bench.lab import Lab, aws_environment, lab
from bench.object_store import StoredWork
from bench.rows.http import KIB, MIB
from bench.servers import fast_s3, nginx
from bench.work import Work

_BUCKET = "store"


@contextmanager
def _uploads(count: int, size: int) -> Iterator[list[Contestant]]:
    with lab() as here:
        work = here.made(count, size)
        store = here.folder / "stored"
        (store / _BUCKET).mkdir(parents=True)
        with nginx(here.served) as origin, fast_s3(store) as endpoint:
            base = f"{origin}/bucket"
            document = work.document(base, here.folder / "items.json")
            yield [
                *(_ours(here, work, document, store, endpoint, name) for name in (OURS, ASYNC)),
                _rclone(here, work, base, store, endpoint),
            ]


@contextmanager
def _copies(count: int, size: int) -> Iterator[list[Contestant]]:
    with lab() as here:
        # The objects are a bucket of the service that stores the copies.
        work = here.made(count, size)
        (here.served / _BUCKET).mkdir()
        with fast_s3(here.served) as endpoint:
            document = work.document("s3://bucket", here.folder / "items.json")
            yield [
                _ours(here, work, document, here.served, endpoint, OURS, s3_endpoint_url=endpoint),
                _rclone(here, work, "", here.served, endpoint, origin="store:bucket"),
            ]


def _ours(
    here: Lab,
    work: Work,
    document: Path,
    store: Path,
    endpoint: str,
    name: str,
    s3_endpoint_url: str | None = None,
) -> Contestant:
    prefix = "ours" if name == OURS else "asyncio"
    to = f"s3://{_BUCKET}/{prefix}"
    contestant = here.ours(
        document,
        None,
        name,
        to=to,
        destination_endpoint_url=endpoint,
        s3_endpoint_url=s3_endpoint_url,
    )
    return _stored(contestant, work, store / _BUCKET / prefix)


def _rclone(
    here: Lab, work: Work, base: str, store: Path, endpoint: str, origin: str = "origin:"
) -> Contestant:
    listed = here.folder / "names.txt"
    listed.write_text("".join(f"{name}\n" for name in work.names))
    keys = aws_environment()
    environment = {
        "RCLONE_CONFIG_STORE_TYPE": "s3",
        "RCLONE_CONFIG_STORE_PROVIDER": "Other",
        "RCLONE_CONFIG_STORE_ENDPOINT": endpoint,
        "RCLONE_CONFIG_STORE_ACCESS_KEY_ID": keys["AWS_ACCESS_KEY_ID"],
        "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY": keys["AWS_SECRET_ACCESS_KEY"],
        "RCLONE_CONFIG_ORIGIN_TYPE": "http",
        "RCLONE_CONFIG_ORIGIN_URL": base,
        "RCLONE_CONFIG": "/dev/null",
    }
    options = ("--transfers", str(CONCURRENCY), "--checkers", str(CONCURRENCY), "--no-traverse")
    contestant = here.program(
        "rclone", "rclone", "copy", *options, "--files-from-raw", str(listed),
        origin, f"store:{_BUCKET}/rclone", work=work, environment=environment,
    )  # fmt: skip
    return _stored(contestant, work, store / _BUCKET / "rclone")


def _stored(contestant: Contestant, work: Work, directory: Path) -> Contestant:
    stored = StoredWork(work.folder, work.names, work.size)
    return replace(contestant, work=stored, directory=directory, objects=len(work.names))


ROWS = (
    Row(
        "to-s3-large",
        "HTTP to S3, 4 files of 512 MiB",
        lambda: _uploads(4, 512 * MIB),
        (ratio("rclone", 1 / 0.9), cpu_ratio("rclone", None), memory(150)),
    ),
    Row(
        "to-s3-small",
        "HTTP to S3, 5,000 files of 64 KiB",
        lambda: _uploads(5_000, 64 * KIB),
        (ratio("rclone", 1 / 0.8), cpu_ratio("rclone", None), memory(150)),
    ),
    Row(
        "copy-s3",
        "copy in an S3 service, 2,000 objects of 64 KiB",
        lambda: _copies(2_000, 64 * KIB),
        (ratio("rclone", None), cpu_ratio("rclone", None), memory(150)),
    ),
)
