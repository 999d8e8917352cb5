"""The page of the command line."""

from __future__ import annotations

from importlib.metadata import entry_points

import click

from scripts.site_pages.command_results import RESULTS
from scripts.site_pages.markdown import code, table, text_cell
from stac_asset.cli.app import EXIT_CODES, app
from stac_asset.cli.plugins import GROUP

_INTRODUCTION = """# The command `stac-asset`

## Output

- Results are written to standard output: the new document of `download`, tables, and JSON.
- Progress, counts, warnings and errors are written to standard error. An error is one line, without
  a traceback.
- The progress bar is shown if standard error is a terminal. The bar tells bytes, assets, rate,
  remaining time, failures and retries. `-v` prints a line for each asset, and `-q` prints only
  errors and warnings.
- Colors are used on terminals only, and not if the environment variable `NO_COLOR` is set.
- Without HREF, `download`, `info` and `plan` read the document from standard input:

```sh
cat item.json | stac-asset download -i B04 > new-item.json
stac-asset download item.json data --json | jq .failed
```

## Exit codes

"""

_NOTHING = """
`download`, `info` and `plan` exit with 1 if there is nothing to do: no item, no asset, or no asset
that `--include` and `--exclude` select. Assets that are present already count as success. `sync`
exits with 1 if the mirror has no items after the run, and with 0 if the mirror is up to date. With
`--warn`, failed assets do not change the exit code, unless all assets failed.

"""

_COMPLETION = """## Shell completion

To complete commands and options with the tabulator key, add one line to the start-up file of your
shell:

| shell | line |
|---|---|
| bash | `eval "$(_STAC_ASSET_COMPLETE=bash_source stac-asset)"` |
| zsh | `eval "$(_STAC_ASSET_COMPLETE=zsh_source stac-asset)"` |
| fish | `_STAC_ASSET_COMPLETE=fish_source stac-asset | source` |

"""

_JSON = """## Results as JSON

With `--json`, each command prints one JSON value on standard output. If a run is ended by an error
line, standard output is empty. `config` prints an object with `value` and `source` for each option,
and `doctor` prints a list of findings with `check`, `level`, `text` and `cure`. The other commands
print an object with these keys:

"""


def command_page() -> str:
    """Return the page with the help of each command."""
    rows = [(str(number), text_cell(text)) for number, text in EXIT_CODES.items()]
    codes = table(("exit code", "meaning"), rows)
    sections = "\n".join(_section(path, command) for path, command in commands())
    return _INTRODUCTION + codes + _NOTHING + _JSON + _results() + _COMPLETION + sections


def _results() -> str:
    rows = [
        (code(f"stac-asset {command}"), code(key), text)
        for command, keys in RESULTS.items()
        for key, text in keys.items()
    ]
    return table(("command", "key", "value"), rows) + "\n"


def commands() -> list[tuple[str, click.Command]]:
    """Return the path and the command of all commands, with those of the Prefect integration."""
    context = click.Context(app, info_name="stac-asset")
    found: list[tuple[str, click.Command]] = [("stac-asset", app)]
    own = (one for one in entry_points(group=GROUP) if one.module.startswith("prefect_stac_asset"))
    for name in (*app.list_commands(context), *sorted(point.name for point in own)):
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
    context = click.Context(command, info_name=path, terminal_width=80, max_content_width=80)
    return f"## {path}\n\n```text\n{command.get_help(context)}\n```\n"
