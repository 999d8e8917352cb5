"""Downloads from S3, over HTTP and HTTPS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from bench.contest import Contestant, Row
from bench.contestants.pairs import CONCURRENCY
from bench.goals import PEER, memory, ratio
from bench.lab import Lab, aws_environment, lab
from bench.rows.http import KIB
from bench.servers import rclone_s3
from bench.work import Work

_PEER_TURNS = 3
"""Number of turns of the package `stac-asset`, which takes 30 ms or more for each object."""


@contextmanager
def _s3(count: int, tls: bool) -> Iterator[list[Contestant]]:
    with lab(tls=tls) as here:
        work = here.made(count, 64 * KIB)
        few = replace(work, names=work.names[:400])
        with rclone_s3(here.served, tls=here.certificate) as endpoint:
            document = work.document("s3://bucket", here.folder / "items.json")
            short = few.document("s3://bucket", here.folder / "few.json")
            pairs = work.pairs("s3://bucket", here.folder / "pairs.txt")
            config = {"s3_endpoint_url": endpoint, "s3_requester_pays": True}
            found = [
                *here.both(document, work, s3_endpoint_url=endpoint),
                here.peer(short, few, _PEER_TURNS, **config),
                here.script("obstore", "obstore_get", pairs, work, endpoint),
                _s5cmd(here, work, endpoint),
            ]
            if not tls:
                found += [
                    here.script("bare aiobotocore", "bare_aiobotocore", pairs, work, endpoint),
                    _rclone(here, work, endpoint),
                ]
            yield found


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


_GOALS = (ratio(PEER, 1 / 40), ratio("s5cmd", 1.3), memory(150))

ROWS = (
    Row("s3-small", "S3, 5,000 files of 64 KiB", lambda: _s3(5_000, tls=False), _GOALS),
    Row(
        "s3-tls-small", "S3 over HTTPS, 2,000 files of 64 KiB", lambda: _s3(2_000, tls=True), _GOALS
    ),
)
