"""The steps of `docs/tutorial.md`, with an archive and a Prefect server on free ports."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from examples.archive import PORT, Archive
from stac_asset.testing import Origin
from tests.support.browser import in_thread
from tests.support.cli import run_command
from tests.support.deployments_cli import run_deployments_cli
from tests.support.documented_code import code_blocks
from tests.support.paths import ROOT
from tests.support.stacks import RunningStack, create_run, wait_for_end

PAGE = ROOT / "docs" / "tutorial.md"
_HOST = f"http://127.0.0.1:{PORT}"


@dataclass(frozen=True)
class Tutorial:
    """The tutorial on a running stack.

    Attributes:
        stack: The Prefect server and the worker.
        archive: The archive that is mirrored.
        host: URL of the archive.
        file: Path of the `tutorial.yaml`.
    """

    stack: RunningStack
    archive: Archive
    host: str
    file: Path

    @classmethod
    @contextmanager
    def begin(cls, stack: RunningStack, folder: Path) -> Iterator[Tutorial]:
        """Start the archive, for pictures on the documented port."""
        port = PORT if os.environ.get("UPDATE_DOCS") else 0
        with Origin(port=port, strict=True) as origin:
            yield cls(stack, Archive(origin), origin.url, folder / "tutorial.yaml")

    def register(self, number: int) -> None:
        """Register a version of the documented deployments.

        Args:
            number: The number of the YAML block of the page, from 0.
        """
        blocks = [block.text for block in code_blocks(PAGE) if block.language == "yaml"]
        self.file.write_text(blocks[number].replace(_HOST, self.host))
        printed = self._run("up", "--file", str(self.file))
        assert "deployment   sync/nightly\n" in printed

    def status(self) -> str:
        """Return the output of `make status`."""
        return self._run("status")

    def message_of(self, run_id: str) -> str:
        """Wait for the end of a run, and return the message of the state."""
        state = wait_for_end(self.stack, run_id)["state"]
        assert state["type"] == "COMPLETED", state
        return str(state["message"])

    def quick_run(self, deployment: str) -> str:
        """Start a deployment with the stored parameters, and return the id of the run."""
        return str(create_run(self.stack, deployment).json()["id"])

    def damage_and_repair(self) -> None:
        """Run the documented commands that damage, verify and repair the mirror."""
        text = PAGE.read_text(encoding="utf-8")
        mirror = self.stack.folder / "data" / "mirror"
        [damaged] = re.findall(r"^echo damaged > \.up/data/mirror/(\S+)$", text, re.M)
        commands = re.findall(r"^\.venv/bin/stac-asset (.*)$", text, re.M)
        verify, repair, audit = commands
        before = (mirror / damaged).read_bytes()
        (mirror / damaged).write_text("damaged\n")
        assert self._stac_asset(verify) == 1
        assert self._stac_asset(repair) == 0
        assert (mirror / damaged).read_bytes() == before
        assert self._stac_asset(audit) == 0

    def _stac_asset(self, command: str) -> int:
        command = command.replace(".up/", f"{self.stack.folder}/").replace(_HOST, self.host)
        return in_thread(lambda: run_command(*shlex.split(command))).code

    def _run(self, command: str, *arguments: str) -> str:
        folder = ("--folder", str(self.stack.folder))
        environment = {**self.stack.environment, "PORT": str(self.stack.port)}
        done = in_thread(lambda: run_deployments_cli(command, *folder, *arguments, **environment))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
