"""The environment of a measurement: a folder in memory, and the commands of the contestants."""

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
from bench.contestants.pairs import CONCURRENCY
from bench.measure import ROOT, BenchError
from bench.servers import KEY, SECRET, program_path
from bench.work import Work

BUILD = ROOT / "build" / "bench"
"""Folder that is kept between runs: the virtual environment of the peer, and the results."""

PEER = "stac-asset"
_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Lab:
    """A folder for a row, and the commands of the contestants."""

    folder: Path

    def made(self, count: int, size: int) -> Work:
        """Create files in a folder that can be served as a bucket.

        Args:
            count: Number of files.
            size: Size of each file in bytes.
        """
        return Work.made(self.folder / "served" / "bucket", count, size)

    @property
    def served(self) -> Path:
        """Root folder of the servers."""
        return self.folder / "served"

    def out(self, name: str) -> Path:
        """Return the output folder of a contestant.

        Args:
            name: The name of the contestant.
        """
        return self.folder / "out" / name.replace(" ", "-")

    def ours(
        self, document: Path, work: Work | None, name: str = OURS, **config: Any
    ) -> Contestant:
        """Return this library as a contestant.

        Args:
            document: Path of the item collection.
            work: The expected files.
            name: Name of the contestant.
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
        """Return the PyPI package `stac-asset` as a contestant.

        Args:
            document: Path of the item collection.
            work: The expected files.
            turns: Number of turns. Default: all turns.
            config: Fields of the `Config` of that package.
        """
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
        """Return a module of `bench.contestants` that reads a list of URLs, as a contestant.

        Args:
            name: Name of the contestant.
            module: Name of the module.
            pairs: Path of the list.
            work: The expected files.
            endpoint: The S3 endpoint, for S3 URLs.
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
        """Return a program as a contestant.

        Args:
            name: Name of the contestant.
            command: The program and the arguments. `OUT` stands for the output folder.
            work: The expected files.
            environment: Further environment variables.
        """
        out = self.out(name)
        path = program_path(command[0])
        arguments = tuple(part.replace("OUT", str(out)) for part in command[1:])
        return Contestant(name, (path, *arguments), environment or {}, len(work.names), work, out)

    def curl(self, work: Work, base: str) -> Contestant:
        """Return curl as a contestant, with all URLs in a single command.

        Args:
            work: The files.
            base: URL of the folder of the files.
        """
        config = self.folder / "curl.txt"
        lines = [
            f'url = "{base}/{name}"\noutput = "{self.out("curl") / name}"\n' for name in work.names
        ]
        config.write_text("".join(lines))
        options = ("--silent", "--fail", "--create-dirs", "--config", str(config))
        parallel = ("--parallel", "--parallel-immediate", "--parallel-max", str(CONCURRENCY))
        return self.program("curl", "curl", *parallel, *options, work=work)

    def aria2(self, work: Work, base: str, *options: str) -> Contestant:
        """Return aria2 as a contestant, with all URLs in a single list.

        Args:
            work: The files.
            base: URL of the folder of the files.
            options: Further options of aria2.
        """
        listed = self.folder / "aria2.txt"
        lines = [f"{base}/{name}\n  out={name}\n" for name in work.names]
        listed.write_text("".join(lines))
        quiet = ("--quiet", "--no-conf", "--file-allocation=none", "--allow-overwrite=true")
        command = ("aria2c", *quiet, f"--input-file={listed}", "--dir=OUT", *options)
        return self.program("aria2", *command, work=work)

    def copy(self, work: Work) -> Contestant:
        """Return cp as a contestant: the lower bound of the time.

        Args:
            work: The files.
        """
        return self.program("cp", "cp", "-r", str(work.folder), "OUT", work=work)


@contextmanager
def lab() -> Iterator[Lab]:
    """Create a lab. The files are in memory if the machine has `/dev/shm`."""
    place = str(_MEMORY) if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="bench-", dir=place) as folder:
        Path(folder, "out").mkdir()
        yield Lab(Path(folder))


def peer_python() -> Path:
    """Return the Python of the peer's virtual environment, which the first call creates.

    Raises:
        BenchError: The environment cannot be created.
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
            raise BenchError(
                f"cannot create the virtual environment of the peer: {error}"
            ) from None
        stamp.touch()
    return python


def aws_environment() -> dict[str, str]:
    """Return the environment variables with the credentials of the S3 server."""
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
