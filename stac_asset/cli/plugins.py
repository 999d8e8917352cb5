"""Commands that packages add to the command line, by entry point.

They are imported when they are run, so that nobody waits for a package whose command is another.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

import click

GROUP = "stac_asset.commands"
"""The entry-point group: the command's name, and a `click.Command`."""


class PluginGroup(click.Group):
    """A group of commands, and of those that packages add; a command of its own comes first."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns the command of a name, imported now if it is a package's.

        Args:
            ctx: The context.
            cmd_name: The name.
        """
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name not in _added():
            return own
        command: click.Command = _added()[cmd_name].load()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands into the help; of those of packages it says whose they are.

        Args:
            ctx: The context.
            formatter: The help.
        """
        super().format_commands(ctx, formatter)
        rows = [
            (name, f"Added by {point.dist.name if point.dist else point.module}.")
            for name, point in sorted(_added().items())
        ]
        if rows:
            with formatter.section("Commands of packages"):
                formatter.write_dl(rows)


def _added() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
