"""What all our blocks are: configuration, of which a client of the library is made on request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

from prefect.blocks.abstract import CredentialsBlock
from prefect.blocks.core import Block, schema_extra
from pydantic import ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from prefect_stac_asset.blocks.parameter_schema import take_references_only
from prefect_stac_asset.blocks.references import load_now, name_of, reference_to
from stac_asset import Client, Config

REPOSITORY = "https://github.com/prefect-stac-asset/prefect-stac-asset"
"""Where this project is. Prefect's client takes logos and documents from http(s) only."""

DOCUMENTATION = f"{REPOSITORY}/blob/main/docs/credentials.md"

_of_block_itself: ContextVar[bool] = ContextVar("_of_block_itself", default=False)
"""Whether the JSON schema of a block type is generated, rather than one that a block is part of."""

_LOGOS = f"{REPOSITORY}/raw/main/blocks/logos"


def logo(name: str) -> str:
    """Returns where a logo is.

    Args:
        name: The name of a file in `blocks/logos`, without its suffix.
    """
    return f"{_LOGOS}/{name}.png"


class ProviderCredentials(CredentialsBlock, ABC):
    """Credentials of one provider of data.

    A block that is saved pickles as a reference to itself, and one that is not doesn't pickle: so
    no secret leaves a process that way.
    """

    model_config = ConfigDict(
        extra="forbid",
        # What is wrong with a field is said without what it holds.
        hide_input_in_errors=True,
        json_schema_extra=schema_extra,
    )

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the schema of the block itself, with all fields.

        Args:
            args: The arguments of `Block.model_json_schema`.
            kwargs: The same.
        """
        before = _of_block_itself.set(True)
        try:
            return super().model_json_schema(*args, **kwargs)
        finally:
            _of_block_itself.reset(before)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        """Return the schema of the block: as a part of another schema, a reference only."""
        schema = super().__get_pydantic_json_schema__(core_schema, handler)
        if not _of_block_itself.get():
            take_references_only(handler.resolve_ref_schema(schema), cls)
        return schema

    async def client(self, config: Config | None = None) -> Client:
        """Returns a client that these credentials are used by, and whose `claims` say for what.

        Args:
            config: How to make requests; its own credentials are not used.

        Returns:
            The client, which is the caller's to close.

        Raises:
            ConfigError: The credentials are not complete.
        """
        config = (config or Config()).copy()
        client = await self._client(config)
        client.made_from = config
        client.credentials, client.credentials_host = name_of(self), self._endpoint()
        return client

    def get_client(self, config: Config | None = None) -> Coroutine[Any, Any, Client]:
        """Returns what `client` does: it is what Prefect calls it.

        Args:
            config: How to make requests.
        """
        return self.client(config)

    @abstractmethod
    async def _client(self, config: Config) -> Client:
        """Makes the client."""

    def _endpoint(self) -> str | None:
        """Returns the host that the credentials are shown to, where hrefs do not name it."""
        return None

    def __reduce__(self) -> tuple[Callable[[str], Block], tuple[str]]:
        return load_now, (reference_to(self).slug,)
