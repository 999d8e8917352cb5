"""Internal: the text of the `prefect.yaml` that `stac-asset init` writes."""

from __future__ import annotations

import textwrap
from functools import cache
from typing import Any

import yaml  # type: ignore[import-untyped] # Prefect installs the package without types

from prefect_stac_asset.deployments.init.choices import Choices
from prefect_stac_asset.deployments.prefect_yaml import FILE

EXAMPLE = "flows/stac_mirror.py"
"""Path of the example flow in the user's repository."""

EXAMPLE_DEPLOYMENT = "example"
"""Name of the deployment of the example flow."""

_NIGHTLY = "0 2 * * *"

_HEADER = """\
# Deployments of STAC downloads. `stac-asset init` wrote this file, and never changes the file.
# Register the deployments with `prefect deploy --all`.
name: {name}

# Values that several deployments use. Prefect ignores this key.
definitions:
  pool: &pool
{pool}
# The flows of prefect-stac-asset are installed with each worker, and need no pull steps. Without
# this key, Prefect adds a step that changes to the folder of this file.
pull: []

deployments:
"""


@cache
def packaged_deployments() -> dict[str, dict[str, Any]]:
    """Return the deployments of the packaged `prefect.yaml`, by name."""
    document = yaml.safe_load(FILE.read_text())
    return {deployment["name"]: deployment for deployment in document["deployments"]}


def deployment_names(choices: Choices) -> list[str]:
    """Return the names of the deployments that the file lists.

    Args:
        choices: The choices of the user.
    """
    return [*([EXAMPLE_DEPLOYMENT] if choices.has_example else []), *choices.deployments]


def deployments_text(choices: Choices) -> str:
    """Return the text of the `prefect.yaml`.

    Args:
        choices: The choices of the user.
    """
    packaged = packaged_deployments()
    listed = [_with_choices(packaged[name], choices) for name in choices.deployments]
    if choices.has_example:
        listed.insert(0, _example(packaged["sync"], choices))
    pool = {**packaged["sync"]["work_pool"], "name": choices.pool}
    header = _HEADER.format(
        name=_dump(choices.folder.name or "stac").removesuffix("...\n").strip(),
        pool=textwrap.indent(_dump(pool), "    "),
    )
    return header + "\n".join(_block(deployment) for deployment in listed)


def _with_choices(packaged: dict[str, Any], choices: Choices) -> dict[str, Any]:
    parameters = dict(packaged.get("parameters", {}))
    if "source" in parameters and choices.source is not None:
        # The search and the assets of the packaged file suit its own source only.
        parameters = {
            name: value for name, value in parameters.items() if name not in ("search", "options")
        }
        parameters["source"] = choices.source
        if choices.collections:
            parameters["search"] = {"collections": list(choices.collections)}
    if "directory" in parameters and (choices.given_directory or not choices.is_file_only):
        parameters["directory"] = choices.directory
    return {**packaged, **({"parameters": parameters} if parameters else {})}


def _example(sync: dict[str, Any], choices: Choices) -> dict[str, Any]:
    """Return the deployment of the example, with the parameters of the packaged `sync`."""
    step = "prefect.deployments.steps.set_working_directory"
    cron = choices.cron or _NIGHTLY
    return {
        "name": EXAMPLE_DEPLOYMENT,
        "description": "Mirror a STAC source, and process the files that are new.",
        "entrypoint": f"{EXAMPLE}:stac_mirror",
        "pull": [{step: {"directory": choices.code}}],
        "tags": sync["tags"],
        "parameters": _with_choices(sync, choices)["parameters"],
        "concurrency_limit": sync["concurrency_limit"],
        "schedules": [
            {
                "slug": "mirror",
                "cron": cron,
                "timezone": "UTC",
                "active": choices.cron is not None,
            }
        ],
    }


def _block(deployment: dict[str, Any]) -> str:
    fields = {name: value for name, value in deployment.items() if name != "work_pool"}
    return textwrap.indent(_dump([fields]), "  ") + "    work_pool: *pool\n"


def _dump(value: object) -> str:
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=None,
        allow_unicode=True,
        width=100,
    )
    return text


class _Dumper(yaml.SafeDumper):  # type: ignore[misc] # The package has no types.
    """Repeat equal values instead of writing aliases with generated names."""

    def ignore_aliases(self, data: object) -> bool:
        return True
