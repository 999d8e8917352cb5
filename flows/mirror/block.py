"""The block `Mirror`: the parameters of the flow `sync`, saved under a name.

The fields are derived from the signature and the docstring of `sync`. References to blocks take the
place of blocks with credentials, so a saved mirror contains no secret.
"""

from __future__ import annotations

import inspect
from abc import ABC
from collections.abc import Iterable, Mapping
from types import new_class
from typing import TYPE_CHECKING, Annotated, Any, Self, get_type_hints

from prefect.blocks.abstract import JobBlock
from prefect.blocks.core import Block, schema_extra
from prefect.utilities.callables import parameter_docstrings
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FieldSerializationInfo,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from prefect_stac_asset.blocks.references import SLUG, BlockReference, parse_reference, reference_to
from prefect_stac_asset.blocks.registry import OUR_BLOCKS
from prefect_stac_asset.flows.mirror.block_runs import DeployedRun, LocalRun, MirrorRun
from prefect_stac_asset.flows.mirror.flow import sync
from prefect_stac_asset.flows.mirror.result import SyncResult
from prefect_stac_asset.flows.parameters.mirror import MIRROR_SLUG
from prefect_stac_asset.flows.parameters.url_secrets import refused_urls
from prefect_stac_asset.flows.parameters.validation import CREDENTIALS, DESTINATION_CREDENTIALS
from stac_asset.errors import ConfigError

_REQUIRED = ("source", "directory")
"""Parameters that a block must set."""

_Reference = Annotated[str, Field(pattern=f"^{SLUG.pattern}$")]
"""`<type-slug>/<name>` of a saved block."""


if TYPE_CHECKING:
    _Job = JobBlock[SyncResult]
else:
    _Job = JobBlock  # With a type argument, Prefect would register one more block type.


class _MirrorJob(_Job, ABC):
    """The methods of the block `Mirror`."""

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, json_schema_extra=schema_extra
    )

    @field_validator(CREDENTIALS, mode="before", check_fields=False)
    @classmethod
    def _references(cls, given: Any) -> Any:
        """Return the slugs of blocks and references."""
        if given is None:
            return []
        if isinstance(given, str | Mapping | Block | BlockReference):
            given = [given]
        return [_slug(one) for one in given] if isinstance(given, Iterable) else given

    @field_validator(DESTINATION_CREDENTIALS, mode="before", check_fields=False)
    @classmethod
    def _reference(cls, given: Any) -> Any:
        """Return the slug of a block or a reference."""
        return None if given in (None, "") else _slug(given)

    @model_validator(mode="after")
    def _check_urls(self) -> Self:
        """Refuse URLs with secrets, which the server would store in plain text."""
        for error in refused_urls({name: getattr(self, name) for name in _fields()}):
            raise ValueError(f"{'.'.join(map(str, error['loc']))}: {error['msg']}")
        return self

    @field_serializer("options", check_fields=False)
    def _set_options(self, options: BaseModel | None, info: FieldSerializationInfo) -> Any:
        """Return the options that are set, so that others follow the defaults of later releases."""
        return None if options is None else options.model_dump(mode=info.mode, exclude_unset=True)

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of a flow run, with references to blocks."""
        found = {name: getattr(self, name) for name in _fields()}
        references = [BlockReference(slug).parameter() for slug in found[CREDENTIALS]]
        destination = found[DESTINATION_CREDENTIALS]
        return found | {
            CREDENTIALS: references or None,
            DESTINATION_CREDENTIALS: destination and BlockReference(destination).parameter(),
        }

    async def plan(self) -> SyncResult:
        """Return the planned changes, without downloading: a dry run in this process.

        Returns:
            The result of the dry run. Its `plan` has the items and assets by reason, bytes,
            requests, the estimated duration and the cost.

        Raises:
            StacAssetError: The mirror cannot be planned.
        """
        result: SyncResult = await sync(**(self.parameters() | {"dry_run": True}))
        return result

    async def trigger(self, deployment: str | None = None) -> MirrorRun:
        """Start a run of the mirror.

        Args:
            deployment: Name `<flow>/<deployment>` of a deployment of the flow `sync`, such as
                `sync/nightly`. Its stored parameters are not used. By default, the run is in this
                process, and needs the event loop to continue.

        Returns:
            The started run.

        Raises:
            ConfigError: The block is not saved, which a deployment requires.
        """
        if deployment is None:
            return LocalRun(sync(**self.parameters(), return_state=True))
        # Parameters that are not sent are those that the deployment stores.
        defaults = sync.serialize_parameters(_defaults())
        reference = reference_to(self).parameter()
        return await DeployedRun.start(deployment, defaults | {"mirror": reference})


def _slug(value: Any) -> Any:
    """Return the slug of a block or reference. Other values are returned for the validation."""
    try:
        if isinstance(value, Block):
            return reference_to(value).slug
        if isinstance(value, BlockReference):
            return value.slug
        return parse_reference(value).slug if isinstance(value, Mapping) else value
    except ConfigError as error:
        raise ValueError(error.message) from None


def _defaults() -> dict[str, Any]:
    """Return the default of each parameter of the flow."""
    return {name: one.default for name, one in inspect.signature(sync.fn).parameters.items()}


def _fields() -> dict[str, tuple[Any, FieldInfo]]:
    """Return the type and the description of each field, from the parameters of the flow."""
    hints = get_type_hints(sync.fn, include_extras=True)
    descriptions = parameter_docstrings(inspect.getdoc(sync.fn))
    fields: dict[str, tuple[Any, FieldInfo]] = {}
    for name, default in _defaults().items():
        if name == "mirror":
            continue
        kind = hints[name]
        (title,) = (
            one.json_schema_extra["title"]
            for one in kind.__metadata__
            if isinstance(one, FieldInfo) and isinstance(one.json_schema_extra, dict)
        )
        shown: dict[str, Any] = {"title": title, "description": descriptions[name]}
        if name in _REQUIRED:
            fields[name] = (str, Field(default=..., min_length=1, **shown))
        elif name == CREDENTIALS:
            shown["description"] += (
                " Each is written as `<type>/<name>`, such as `s3-credentials/x`."
            )
            fields[name] = (list[_Reference], Field(default=[], **shown))
        elif name == DESTINATION_CREDENTIALS:
            shown["description"] += " Written as `<type>/<name>`, such as `s3-credentials/x`."
            fields[name] = (_Reference | None, Field(default=None, **shown))
        else:
            fields[name] = (kind, Field(default=default, **shown))
    return fields


_DOCUMENTATION = """The parameters of a mirror, saved under a name.

A mirror is a job: `plan` shows the planned changes, and `trigger` starts a run of the flow `sync`.

Example:
    Load a saved mirror, plan and run it:
    ```python
    import asyncio

    from prefect_stac_asset import Mirror

    mirror = Mirror.load("BLOCK_NAME")


    async def main():
        print((await mirror.plan()).plan)
        run = await mirror.trigger()
        await run.wait_for_completion()
        print((await run.fetch_result()).summary())


    asyncio.run(main())
    ```
"""


if TYPE_CHECKING:

    class Mirror(_MirrorJob):
        """The parameters of a mirror, saved under a name."""

        def __init__(self, *, source: str, directory: str, **fields: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

else:

    def _body(namespace: dict[str, Any]) -> None:
        fields = _fields()
        namespace |= {name: field for name, (_, field) in fields.items()}
        namespace |= {
            "__module__": __name__,
            "__doc__": _DOCUMENTATION,
            "__annotations__": {name: kind for name, (kind, _) in fields.items()},
            "_block_type_name": "STAC Mirror",
            "_block_type_slug": MIRROR_SLUG,
            "_documentation_url": "https://stacspec.org",
        }

    Mirror = new_class("Mirror", (_MirrorJob,), exec_body=_body)

BLOCK_TYPES: tuple[type[Block], ...] = (*OUR_BLOCKS, Mirror)
"""All block types of this package."""
