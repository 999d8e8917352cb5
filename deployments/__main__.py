"""Command line `python -m prefect_stac_asset.deployments`.

| command | action |
|---|---|
| `up`, `down` | start and stop a local Prefect server with worker and deployments |
| `status` | show the processes, the next runs and the last results of that server |
| `server` | run a Prefect server in the foreground |
| `service` | start that server after a restart of the machine |
| `init` | write a `prefect.yaml`, an example flow and the files of a work pool into a repository |
| `deploy` | register the deployments with a Prefect server |
| `serve` | run the deployments in this process |
| `check` | validate `prefect.yaml`, or check that a server creates scheduled runs |
| `automate` | run a deployment for each downloaded item |
| `alert` | notify a person, or run a deployment, if something is wrong with a deployment's runs |

Commands import Prefect and modules that need Prefect when they run, so that `--help` and usage
errors do not wait for the seconds that these imports take.
"""

from __future__ import annotations

import sys

import click

from prefect_stac_asset.deployments.commands import automations, local_server, registration
from prefect_stac_asset.deployments.init.command import init
from stac_asset.errors import StacAssetError


def main(name: str = "python -m prefect_stac_asset.deployments") -> None:
    """Run the command line. Exit with status 1 after an error, and with 130 after Ctrl-C.

    Args:
        name: The name of the program in messages.
    """
    try:
        app.main(standalone_mode=False, prog_name=name)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except StacAssetError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def app() -> None:
    """Run the deployments of prefect.yaml."""


for _command in (
    local_server.up,
    local_server.down,
    local_server.status,
    local_server.server,
    local_server.service,
    init,
    registration.deploy,
    registration.serve,
    registration.check,
    automations.automate,
    automations.alert,
):
    app.add_command(_command)

if __name__ == "__main__":
    main()
