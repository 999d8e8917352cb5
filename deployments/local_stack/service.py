"""Internal: the systemd user unit that starts `make up` after a restart of the machine.

The command `up --watch` starts the server and the workers, and starts stopped processes again. It
ends as soon as `down` has stopped the processes.
Source: https://www.freedesktop.org/software/systemd/man/systemd.service.html
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from prefect_stac_asset.deployments.local_stack.background import Background
from stac_asset.errors import ConfigError

NAME = "prefect-stac-asset.service"
"""Name of the unit."""

_ENVIRONMENT = "environment"
"""Name of the file with environment variables, in the folder of the stack."""

_UNIT = """\
[Unit]
Description=Prefect server and workers of prefect-stac-asset
After=network-online.target

[Service]
Type=exec
WorkingDirectory={working_directory}
EnvironmentFile=-{environment}
ExecStart={up}
ExecStop={down}
Restart=on-failure
RestartSec=30
TimeoutStopSec=300

[Install]
WantedBy=default.target
"""


@dataclass(frozen=True, slots=True)
class Service:
    """The unit of a stack.

    Args:
        folder: The folder of the stack, as an absolute path.
        port: The port of the server.
        working_directory: The folder in which `up` runs.
        file: The `prefect.yaml`. None selects the file as `up` does.
    """

    folder: Path
    port: int
    working_directory: Path
    file: Path | None = None

    @property
    def environment(self) -> Path:
        """The path of the file with environment variables, such as DATABASE."""
        return self.folder / _ENVIRONMENT

    def unit(self) -> str:
        """Return the text of the unit."""
        folder = ("--folder", str(self.folder))
        file = () if self.file is None else ("--file", str(self.file))
        return _UNIT.format(
            working_directory=_escaped(str(self.working_directory)),
            environment=_escaped(str(self.environment)),
            up=_command("up", "--watch", *folder, "--port", str(self.port), *file),
            down=_command("down", *folder),
        )

    def install(self) -> list[str]:
        """Write the unit, enable and start the unit, and return lines to print.

        Raises:
            ConfigError: systemd is not available or reported an error, or the server is running
                already. systemd does not take over processes that others started.
        """
        if shutil.which("systemctl") is None:
            raise ConfigError(
                "systemd is not available on this machine. Use `--print`, and start the printed "
                "command `up` with the service manager of the machine."
            )
        is_active = not _systemctl("is-active", "--quiet", NAME).returncode
        if not is_active and Background("server", self.folder).pid() is not None:
            raise ConfigError(
                f"The server of {self.folder} is running, but not as a service. Stop the server "
                "with `make down`, then repeat the command."
            )
        home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
        path = Path(home).expanduser() / "systemd" / "user" / NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.unit())
        for arguments in (("daemon-reload",), ("enable", "--now", NAME)):
            done = _systemctl(*arguments)
            if done.returncode:
                reason = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
                raise ConfigError(
                    f"`systemctl --user {' '.join(arguments)}` failed: {reason} The unit is in "
                    f"{path}. Correct the cause, and repeat the command."
                )
        return [
            f"unit         {path}",
            f"variables    {self.environment}, if the file exists",
            f"output       journalctl --user --unit {NAME}",
            "The unit is starting, which may take a minute. `make status` shows the processes.",
            "To start the unit without a login, run: loginctl enable-linger",
        ]


def _systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemctl", "--user", *arguments], capture_output=True, text=True, check=False
    )


def _command(*arguments: str) -> str:
    module = ("-m", "prefect_stac_asset.deployments")
    return " ".join(_quoted(word) for word in (sys.executable, *module, *arguments))


def _quoted(word: str) -> str:
    """Return a word of a command line of a unit."""
    text = _escaped(word.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$"))
    return f'"{text}"' if set(word) & set(" \t'\"\\;") else text


def _escaped(text: str) -> str:
    # `%` starts a specifier, such as `%h` for the home directory.
    return text.replace("%", "%%")
