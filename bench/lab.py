"""The environment of a measurement: folders, and the commands of the contestants."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.contest import Contestant
from bench.contestants.pairs import CONCURRENCY
from bench.goals import ASYNC, OURS, PEER
from bench.measure import ROOT
from bench.peer import BUILD, peer_python
from bench.programs import program_path
from bench.servers import KEY, SECRET
from bench.tls import Certificate
from bench.work import Work

_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Lab:
    """The folders of a row, and the commands of the contestants."""

    folder: Path
    """Folder of the served files and the lists, in memory if the machine has `/dev/shm`."""

    output: Path
    """Folder of the downloads, in memory or on a disk."""

    on_disk: bool = False
    """Whether the downloads are on a disk."""

    certificate: Certificate | None = None
    """The certificate that all contestants trust, for servers with TLS."""

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
        return self.output / re.sub(r"\W+", "-", name)

    def _contestant(
        self,
        name: str,
        command: tuple[str, ...],
        work: Work | None,
        environment: dict[str, str],
        turns: int | None = None,
    ) -> Contestant:
        trusted = self.certificate.environment() if self.certificate is not None else {}
        return Contestant(
            name=name,
            command=command,
            environment=environment | trusted,
            objects=len(work.names) if work else 1,
            work=work,
            directory=self.out(name),
            turns=turns,
            after_sync=self.on_disk,
        )

    def ours(
        self,
        document: Path,
        work: Work | None,
        name: str = OURS,
        turns: int | None = None,
        to: str | None = None,
        **config: Any,
    ) -> Contestant:
        """Return this library as a contestant.

        Args:
            document: Path of the item collection.
            work: The expected files.
            name: Name of the contestant. With `ASYNC`, an event loop of asyncio is used.
            turns: Number of turns. Default: all turns.
            to: The destination. Default: the output folder of the contestant.
            config: Fields of `Config`.
        """
        loop = ("--asyncio",) if name == ASYNC else ()
        paths = (str(document), to or str(self.out(name)))
        options = ("--config", json.dumps(config), *loop)
        command = (sys.executable, "-m", "bench.contestants.ours", *paths, *options)
        return self._contestant(name, command, work, aws_environment(), turns)

    def both(self, document: Path, work: Work | None, **config: Any) -> list[Contestant]:
        """Return this library as two contestants: `OURS` and `ASYNC`.

        Args:
            document: Path of the item collection.
            work: The expected files.
            config: Fields of `Config`.
        """
        return [self.ours(document, work, name, **config) for name in (OURS, ASYNC)]

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
        script = str(ROOT / "bench" / "contestants" / "stac_asset_pypi.py")
        command = (str(peer_python()), script, str(document), str(self.out(PEER)))
        return self._contestant(
            PEER, (*command, json.dumps(config)), work, aws_environment(), turns
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
        return self._contestant(name, command, work, environment)

    def program(
        self,
        name: str,
        *command: str,
        work: Work,
        environment: dict[str, str] | None = None,
        turns: int | None = None,
    ) -> Contestant:
        """Return a program as a contestant.

        Args:
            name: Name of the contestant.
            command: The program and the arguments. `OUT` stands for the output folder.
            work: The expected files.
            environment: Further environment variables.
            turns: Number of turns. Default: all turns.
        """
        out = self.out(name)
        path = program_path(command[0])
        arguments = tuple(part.replace("OUT", str(out)) for part in command[1:])
        return self._contestant(name, (path, *arguments), work, environment or {}, turns)

    def curl(self, work: Work, base: str, turns: int | None = None) -> Contestant:
        """Return curl as a contestant, with all URLs in a single command.

        Args:
            work: The files.
            base: URL of the folder of the files.
            turns: Number of turns. Default: all turns.
        """
        config = self.folder / "curl.txt"
        lines = [
            f'url = "{base}/{name}"\noutput = "{self.out("curl") / name}"\n' for name in work.names
        ]
        config.write_text("".join(lines))
        options = ("--silent", "--fail", "--create-dirs", "--config", str(config))
        parallel = ("--parallel", "--parallel-immediate", "--parallel-max", str(CONCURRENCY))
        return self.program("curl", "curl", *parallel, *options, work=work, turns=turns)

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
def lab(on_disk: bool = False, tls: bool = False) -> Iterator[Lab]:
    """Create a lab. The files are in memory if the machine has `/dev/shm`.

    Args:
        on_disk: Whether the downloads are on the disk of the checkout.
        tls: Whether to create a certificate for servers with TLS.
    """
    memory = str(_MEMORY) if _MEMORY.is_dir() else None
    BUILD.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=memory) as folder,
        tempfile.TemporaryDirectory(prefix="bench-", dir=BUILD if on_disk else memory) as output,
    ):
        certificate = Certificate.made(Path(folder)) if tls else None
        yield Lab(Path(folder), Path(output), on_disk, certificate)


def aws_environment() -> dict[str, str]:
    """Return the environment variables with the credentials of the S3 server."""
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
