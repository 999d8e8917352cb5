"""A flow with a parameter `credentials`, of which Prefect's server gets to know names alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

from prefect import Flow
from prefect.blocks.core import Block
from prefect.exceptions import ParameterTypeError

from blocks.references import name_of, reference_to
from stac_asset.errors import ConfigError

_P = ParamSpec("_P")
_R = TypeVar("_R")


PARAMETER = "credentials"

PERSISTED: dict[str, Any] = {"persist_result": True, "result_serializer": "pickle"}
"""Who starts a deployment of a flow has its result, or its error, too.

Not as JSON: Prefect reads a model that it wrote so back as a dict, and errors not at all.
"""


class CredentialFlow(Flow[_P, _R], Generic[_P, _R]):
    """A flow whose runs show which blocks they were given, and nothing of what the blocks hold."""

    def validate_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Returns the parameters with blocks in place of references to them.

        Args:
            parameters: The parameters of a run.

        Raises:
            ParameterTypeError: They are not what the flow takes. The fields of a block are never
                taken in its place, as they would be shown, and stored.
        """
        given = parameters.get(PARAMETER)
        for one in given if isinstance(given, list | tuple) else [given]:
            if not isinstance(one, Block) and not _is_reference(one) and one is not None:
                raise ParameterTypeError(
                    f"{PARAMETER} are saved blocks, or references to them as blocks.ref makes "
                    f"them, and no {type(one).__name__}: save the block first"
                )
        return super().validate_parameters(parameters)

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Returns the parameters as the server keeps them: in place of blocks, references to them.

        Args:
            parameters: The parameters of a run.
        """
        shown = {
            name: _shown(value) if name == PARAMETER else value
            for name, value in parameters.items()
        }
        return super().serialize_parameters(shown)

    def with_options(self, *args: Any, **kwargs: Any) -> CredentialFlow[_P, _R]:
        """Returns this flow with other options. The arguments are those of `Flow.with_options`."""
        changed = super().with_options(*args, **kwargs)
        changed.__class__ = type(self)
        return changed  # type: ignore[return-value]


def credential_flow(**options: Any) -> Callable[[Callable[_P, _R]], CredentialFlow[_P, _R]]:
    """Makes flows of functions with a parameter `credentials`, whose results are persisted.

    Args:
        options: The arguments of `prefect.flow`.
    """

    def decorate(function: Callable[_P, _R]) -> CredentialFlow[_P, _R]:
        return CredentialFlow(function, **PERSISTED, **options)

    return decorate


def _shown(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_shown(one) for one in value]
    if not isinstance(value, Block):
        return value if value is None or _is_reference(value) else f"a {type(value).__name__}"
    try:
        return reference_to(value).parameter()
    except ConfigError:
        return name_of(value)


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"$ref"}
