"""The steps that `stac-asset init` prints, carried out as commands of a shell."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.server_logs import checked_log


def printed_commands(output: str) -> list[tuple[str, bool]]:
    """Return the commands of the steps, and whether each runs in another terminal.

    Args:
        output: The output of the command.
    """
    steps = re.findall(
        r"^\d+\. (.*)\n((?: {6}.*\n)*)", output.partition("Next steps:\n\n")[2], re.M
    )
    return [
        (command.strip(), "in another terminal" in text)
        for text, commands in steps
        for command in commands.splitlines()
    ]


@contextmanager
def carried_out(
    output: str, folder: Path, environment: Mapping[str, str], log: Path
) -> Iterator[list[str]]:
    """Carry out the steps in a shell, and end those of other terminals with the context.

    Args:
        output: The output of the command.
        folder: The working directory.
        environment: The environment variables of the shell.
        log: The log of the commands in other terminals. Unexpected errors fail the test.

    Yields:
        The commands.
    """
    others: list[subprocess.Popen[bytes]] = []
    commands = printed_commands(output)
    with checked_log(log), log.open("wb") as file:
        try:
            for command, is_other in commands:
                if is_other:
                    others.append(
                        subprocess.Popen(
                            ["sh", "-c", f"exec {command}"],
                            cwd=folder,
                            env=environment,
                            stdout=file,
                            stderr=subprocess.STDOUT,
                            stdin=subprocess.DEVNULL,
                            start_new_session=True,
                        )
                    )
                    continue
                done = subprocess.run(
                    ["sh", "-c", command],
                    cwd=folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, (command, done.stdout, done.stderr)
            yield [command for command, _ in commands]
        finally:
            for process in others:
                os.killpg(process.pid, signal.SIGTERM)
            for process in others:
                process.wait(60)
