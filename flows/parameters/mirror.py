"""The parameter `mirror` of the flow `sync`: a saved block in place of the single parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from prefect.blocks.core import Block

from prefect_stac_asset.blocks.integrations import IntegrationBlock
from prefect_stac_asset.blocks.registry import SavedBlock
from stac_asset.errors import ConfigError

MIRROR_SLUG = "stac-mirror"
"""The slug of the block type `Mirror`."""

MIRROR_TYPE = IntegrationBlock(
    "Mirror",
    MIRROR_SLUG,
    "A saved mirror, in place of the other parameters.",
    "prefect_stac_asset.flows.mirror.block",
)
"""The block type `Mirror`. The class is derived from the flow, and imported on first use."""

COMBINED = ("mirror", "dry_run")
"""Parameters that can be set together with `mirror`."""

if TYPE_CHECKING:
    MirrorBlock: TypeAlias = Block
else:
    MirrorBlock = Annotated[Block, SavedBlock(MIRROR_TYPE)]


def mirror_parameters(
    function: Callable[..., Any], given: Mapping[str, Any], fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the parameters of a run with a block `Mirror`.

    Args:
        function: The flow's function.
        given: All validated parameters of the run, including defaults.
        fields: The parameters of the block.

    Raises:
        ConfigError: A single parameter is set too.
    """
    defaults = {name: one.default for name, one in inspect.signature(function).parameters.items()}
    both = [
        name
        for name, value in given.items()
        if name not in COMBINED and value != defaults.get(name)
    ]
    if both:
        names = ", ".join(f"`{name}`" for name in both)
        raise ConfigError(
            f"`mirror` is set, and so are {names}, which the block replaces. Remove {names}, or "
            "remove `mirror`."
        )
    dry_run = bool(given.get("dry_run")) or bool(fields.get("dry_run"))
    return {**fields, "dry_run": dry_run}


def required(source: str | None, directory: str | None) -> tuple[str, str]:
    """Return the source and the directory of a mirror.

    Args:
        source: The parameter `source`.
        directory: The parameter `directory`.

    Raises:
        ConfigError: A parameter is not set.
    """
    if source is not None and directory is not None:
        return source, directory
    missing = [
        f"`{name}`"
        for name, value in (("source", source), ("directory", directory))
        if value is None
    ]
    raise ConfigError(
        f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set. Set `source` and "
        "`directory`, or set `mirror` to a saved block."
    )
