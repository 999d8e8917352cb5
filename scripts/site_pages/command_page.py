"""The page of the command line."""

from __future__ import annotations

import click

from stac_asset.cli.app import app

_INTRODUCTION = """# The command `stac-asset`

The exit code is 0 after success, 1 after an error or if assets failed, 2 for invalid arguments, and
130 after Ctrl-C.

To complete commands and options with the tabulator key, add one line to the start-up file of your
shell:

| shell | line |
|---|---|
| bash | `eval "$(_STAC_ASSET_COMPLETE=bash_source stac-asset)"` |
| zsh | `eval "$(_STAC_ASSET_COMPLETE=zsh_source stac-asset)"` |
| fish | `_STAC_ASSET_COMPLETE=fish_source stac-asset \\| source` |

"""


def command_page() -> str:
    """Return the page with the help of each command."""
    return _INTRODUCTION + "\n".join(_section(path, command) for path, command in commands())


def commands() -> list[tuple[str, click.Command]]:
    """Return the path and the command of all commands."""
    context = click.Context(app, info_name="stac-asset")
    found: list[tuple[str, click.Command]] = [("stac-asset", app)]
    for name in app.list_commands(context):
        command = app.get_command(context, name)
        assert command is not None, "the command is listed"
        found.append((f"stac-asset {name}", command))
        if isinstance(command, click.Group):
            inner = click.Context(command, info_name=name, parent=context)
            for other in command.list_commands(inner):
                subcommand = command.get_command(inner, other)
                assert subcommand is not None, "the command is listed"
                found.append((f"stac-asset {name} {other}", subcommand))
    return found


def _section(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path, terminal_width=96, max_content_width=96)
    return f"## {path}\n\n```text\n{command.get_help(context)}\n```\n"
