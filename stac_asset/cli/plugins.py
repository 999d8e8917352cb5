"""Commands that other packages add to `stac-asset` by entry points.

A package is imported only when its command runs, so that other commands stay fast.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

import click
from click.shell_completion import CompletionItem

GROUP = "stac_asset.commands"
"""The entry-point group. Names are commands, and values are objects of type `click.Command`."""


class PluginGroup(click.Group):
    """A group of commands that includes commands of other packages. Own commands have priority."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name. The command of another package is imported now.

        Args:
            ctx: The context.
            cmd_name: The name of the command.
        """
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name not in _added():
            return own
        command: click.Command = _added()[cmd_name].load()
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the completions of a word, with the names of commands of other packages.

        Args:
            ctx: The context.
            incomplete: The start of the word.
        """
        names = [name for name in sorted(_added()) if name.startswith(incomplete)]
        return super().shell_complete(ctx, incomplete) + [CompletionItem(name) for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands to the help, with the packages that add commands.

        Args:
            ctx: The context.
            formatter: The formatter of the help.
        """
        super().format_commands(ctx, formatter)
        rows = [
            (name, f"Added by {point.dist.name if point.dist else point.module}.")
            for name, point in sorted(_added().items())
        ]
        if rows:
            with formatter.section("Commands from plugins"):
                formatter.write_dl(rows)


def _added() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
