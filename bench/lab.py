"""Where the measurements happen: a folder in memory, the servers, and the peers' environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.contest import OURS, Contestant
from bench.measure import ROOT, BenchError
from bench.servers import KEY, SECRET, program_path
from bench.work import Work

BUILD = ROOT / "build" / "bench"
"""What is kept from one run to the next: the peer's environment, and the results."""

PEER = "stac-asset"
AT_ONCE = 32
"""Connections of everybody who can be told a number."""

_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Lab:
    """A folder for one row, and the commands of its contestants."""

    folder: Path

    def made(self, count: int, size: int) -> Work:
        """Makes so many files of a size, in a folder that can be served as a bucket."""
        return Work.made(self.folder / "served" / "bucket", count, size)

    @property
    def served(self) -> Path:
        """The folder that servers have as their root."""
        return self.folder / "served"

    def out(self, name: str) -> Path:
        """Returns where a contestant writes to."""
        return self.folder / "out" / name.replace(" ", "-")

    def ours(
        self, document: Path, work: Work | None, name: str = OURS, **config: Any
    ) -> Contestant:
        """Returns this library.

        Args:
            document: The item collection.
            work: What it is to download.
            name: What it is called.
            config: Fields of `Config`.
        """
        out = self.out(name)
        command = (sys.executable, "-m", "bench.contestants.ours", str(document), str(out))
        return Contestant(
            name=name,
            command=(*command, "--config", json.dumps(config)),
            work=work,
            directory=out,
            objects=len(work.names) if work else 1,
            environment=aws_environment(),
        )

    def peer(
        self, document: Path, work: Work, turns: int | None = None, **config: Any
    ) -> Contestant:
        """Returns the package `stac-asset` of PyPI; the arguments are as for `ours`."""
        out = self.out(PEER)
        script = str(ROOT / "bench" / "contestants" / "stac_asset_pypi.py")
        return Contestant(
            name=PEER,
            command=(str(peer_python()), script, str(document), str(out), json.dumps(config)),
            work=work,
            directory=out,
            objects=len(work.names),
            turns=turns,
            environment=aws_environment(),
        )

    def script(
        self, name: str, module: str, pairs: Path, work: Work, endpoint: str = ""
    ) -> Contestant:
        """Returns a contestant of ours that reads a list of URLs and files.

        Args:
            name: What it is called.
            module: Its module in `bench.contestants`.
            pairs: The list.
            work: What it is to download.
            endpoint: The S3 endpoint, if it needs one.
        """
        out = self.out(name)
        command = (sys.executable, "-m", f"bench.contestants.{module}", str(pairs), str(out))
        environment = aws_environment() | {"AWS_ENDPOINT_URL": endpoint}
        return Contestant(name, command, environment, len(work.names), work, out)

    def program(
        self,
        name: str,
        *command: str,
        work: Work,
        environment: dict[str, str] | None = None,
    ) -> Contestant:
        """Returns a program; `OUT` among its arguments is the folder to write to."""
        out = self.out(name)
        path = program_path(command[0])
        arguments = tuple(part.replace("OUT", str(out)) for part in command[1:])
        return Contestant(name, (path, *arguments), environment or {}, len(work.names), work, out)

    def curl(self, work: Work, base: str) -> Contestant:
        """Returns curl, with all URLs in one command."""
        config = self.folder / "curl.txt"
        lines = [
            f'url = "{base}/{name}"\noutput = "{self.out("curl") / name}"\n' for name in work.names
        ]
        config.write_text("".join(lines))
        options = ("--silent", "--fail", "--create-dirs", "--config", str(config))
        parallel = ("--parallel", "--parallel-immediate", "--parallel-max", str(AT_ONCE))
        return self.program("curl", "curl", *parallel, *options, work=work)

    def aria2(self, work: Work, base: str, *options: str) -> Contestant:
        """Returns aria2, with all URLs in one list."""
        listed = self.folder / "aria2.txt"
        lines = [f"{base}/{name}\n  out={name}\n" for name in work.names]
        listed.write_text("".join(lines))
        quiet = ("--quiet", "--no-conf", "--file-allocation=none", "--allow-overwrite=true")
        command = ("aria2c", *quiet, f"--input-file={listed}", "--dir=OUT", *options)
        return self.program("aria2", *command, work=work)

    def copy(self, work: Work) -> Contestant:
        """Returns cp, which is as good as it gets."""
        return self.program("cp", "cp", "-r", str(work.folder), "OUT", work=work)


@contextmanager
def lab() -> Iterator[Lab]:
    """Gives a lab whose files are in memory, if this machine has such a place."""
    place = str(_MEMORY) if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="bench-", dir=place) as folder:
        Path(folder, "out").mkdir()
        yield Lab(Path(folder))


def peer_python() -> Path:
    """Returns the Python of the environment that holds the PyPI package, made when first wanted.

    Raises:
        BenchError: It cannot be made.
    """
    python = BUILD / "peer" / "bin" / "python"
    stamp = BUILD / "peer" / "installed"
    if not stamp.exists():
        print("Installing the package stac-asset of PyPI into build/bench/peer ...", flush=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", BUILD / "peer"], check=True)
            install = [str(python), "-m", "pip", "install", "--quiet", "stac-asset[cli]==0.4.8"]
            subprocess.run(install, check=True)
        except subprocess.CalledProcessError as error:
            raise BenchError(f"the peer's environment cannot be made: {error}") from None
        stamp.touch()
    return python


def aws_environment() -> dict[str, str]:
    """Returns what AWS's libraries find the S3 server's key in."""
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
