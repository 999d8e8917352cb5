"""Base class of the credential blocks. A block is configuration and creates a client on request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from contextvars import ContextVar
from typing import Any, ClassVar

from prefect.blocks.abstract import CredentialsBlock
from prefect.blocks.core import Block, schema_extra
from pydantic import ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from prefect_stac_asset.blocks.parameter_schema import accept_only_references
from prefect_stac_asset.blocks.references import load_now, name_of, reference_to
from stac_asset import Client, Config

_is_block_schema: ContextVar[bool] = ContextVar("_is_block_schema", default=False)
"""Whether the generated JSON schema is that of a block type. Otherwise, of a flow parameter."""


class ProviderCredentials(CredentialsBlock, ABC):
    """Credentials of a data provider.

    A saved block is pickled as a reference to the block. An unsaved block cannot be pickled.
    Pickles therefore contain no secrets.
    """

    _form_rules: ClassVar[Sequence[dict[str, Any]]] = ()
    """JSON schemas that the fields must match, for forms."""

    model_config = ConfigDict(
        extra="forbid",
        # Validation errors must not contain secrets.
        hide_input_in_errors=True,
        json_schema_extra=schema_extra,
    )

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the schema of the block itself, with all fields.

        Args:
            args: The positional arguments of `Block.model_json_schema`.
            kwargs: The keyword arguments of `Block.model_json_schema`.
        """
        before = _is_block_schema.set(True)
        try:
            return super().model_json_schema(*args, **kwargs)
        finally:
            _is_block_schema.reset(before)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        """Return the schema of the block. In the schema of a parameter, allow only a reference."""
        schema = super().__get_pydantic_json_schema__(core_schema, handler)
        definition = handler.resolve_ref_schema(schema)
        if not _is_block_schema.get():
            accept_only_references(definition, cls.__name__, cls.get_block_type_slug())
        elif cls._form_rules:
            definition["allOf"] = list(cls._form_rules)
        return schema

    @classmethod
    def names_of_secrets(cls) -> frozenset[str]:
        """Return the names of the fields that the server masks."""
        return frozenset(name.split(".")[0] for name in cls.model_json_schema()["secret_fields"])

    async def client(self, config: Config | None = None) -> Client:
        """Return a client that uses these credentials.

        The credentials are used for the URLs that the method `claims` of the client accepts.

        Args:
            config: Options for requests. Credentials in the config are not used.

        Returns:
            The client. The caller must close the client.

        Raises:
            ConfigError: The credentials are incomplete.
        """
        config = (config or Config()).copy()
        client = await self._client(config)
        client.made_from = config
        client.credentials, client.credentials_host = name_of(self), self._endpoint()
        return client

    def get_client(self, config: Config | None = None) -> Coroutine[Any, Any, Client]:
        """Return a client that uses these credentials, like `client`.

        Prefect's `CredentialsBlock` requires a method of this name.

        Args:
            config: Options for requests.
        """
        return self.client(config)

    @abstractmethod
    async def _client(self, config: Config) -> Client:
        """Create the client."""

    def _endpoint(self) -> str | None:
        """Return the host that receives the credentials, if URLs do not contain the host."""
        return None

    def __reduce__(self) -> tuple[Callable[[str], Block], tuple[str]]:
        return load_now, (reference_to(self).slug,)
