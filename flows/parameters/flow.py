"""The class of the flows: it converts parameters so that Prefect stores neither objects nor secrets.

A pystac object becomes its JSON text, and a block becomes a reference to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, get_type_hints

from prefect import Flow, State
from prefect.blocks.core import Block
from prefect.client.schemas.objects import StateType
from prefect.exceptions import CancelledRun, ParameterTypeError
from prefect.types.entrypoint import EntrypointType

from prefect_stac_asset.blocks.references import is_reference, load_reference, name_of, reference_to
from prefect_stac_asset.blocks.registry import check_holds
from prefect_stac_asset.flows.execution.pickling import PickledByName, is_in_package
from prefect_stac_asset.flows.parameters.source import source_parameter
from prefect_stac_asset.flows.parameters.validation import (
    CREDENTIALS,
    bound,
    check_size,
    stored,
    validated,
)
from stac_asset.errors import ConfigError

_P = ParamSpec("_P")
_R = TypeVar("_R")

_PERSISTED: dict[str, Any] = {"persist_result": True, "result_serializer": "pickle"}
"""Options that make results and errors available to the caller of a deployment.

JSON is not used: Prefect would read models back as dictionaries, and errors from their text.
"""


def _by_module_path(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return a method that deploys a flow, with the module path as its default entrypoint.

    Prefect's default is the path of the flow's file, relative to the current folder. A worker does
    not find that file.
    """

    @wraps(method)
    def deploy(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        (flow, *_) = args
        assert isinstance(flow, Flow)
        if is_in_package(flow.fn):
            kwargs.setdefault("entrypoint_type", EntrypointType.MODULE_PATH)
        return method(*args, **kwargs)

    return deploy


class AssetFlow(PickledByName, Flow[_P, _R], Generic[_P, _R]):
    """A flow whose stored parameters name blocks, and hold nothing of their content."""

    to_deployment = _by_module_path(Flow.to_deployment)
    ato_deployment = _by_module_path(Flow.ato_deployment)
    serve = _by_module_path(Flow.serve)
    deploy = _by_module_path(Flow.deploy)
    adeploy = _by_module_path(Flow.adeploy)

    if not TYPE_CHECKING:  # Callers keep the types of the function.

        def __init__(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
            # A copy of the function by value has no names to resolve annotations with.
            fn.__annotations__ = get_type_hints(fn, include_extras=True)
            super().__init__(fn, *args, **kwargs)

        def __call__(
            self,
            *args: Any,
            return_state: bool = False,
            wait_for: Iterable[Any] | None = None,
            **kwargs: Any,
        ) -> Any:
            """Runs the flow. The arguments are those of the function, and `Flow.__call__`.

            Raises:
                ParameterBindError: The function cannot be called so.
                SourceError: The source is too large for a parameter.
                ConfigError: Another parameter is.
            """
            args = tuple(source_parameter(value) for value in args)
            kwargs = {name: source_parameter(value) for name, value in kwargs.items()}
            check_size(self.serialize_parameters(bound(self.fn, args, kwargs)))
            run = super().__call__(*args, return_state=True, wait_for=wait_for, **kwargs)
            return run if return_state else _result(run)

    def validate_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters with blocks in place of references.

        Args:
            parameters: The parameters of a run.

        Raises:
            ParameterTypeError: They are not what the flow takes. The fields of a block are never
                taken in its place, as they would be shown, and stored.
            ConfigError: A block is not saved, or holds no credentials.
        """
        given = parameters.get(CREDENTIALS)
        several = given if isinstance(given, list | tuple) else None
        for one in [given] if several is None else several:
            _check_kind(one, several is not None)
        taken = validated(self.fn, parameters)
        taken[CREDENTIALS] = (
            _loaded(given) if several is None else [_loaded(one) for one in several]
        )
        return taken

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Returns the parameters as the server keeps them: nothing of those that are refused.

        Args:
            parameters: The parameters of a run. In place of blocks, references to them are kept.
        """
        shown = stored(self.fn, parameters)
        if CREDENTIALS in shown:
            shown[CREDENTIALS] = _shown(shown[CREDENTIALS])
        return super().serialize_parameters(shown)


def asset_flow(**options: Any) -> Callable[[Callable[_P, _R]], AssetFlow[_P, _R]]:
    """Make a flow of a function with a parameter `credentials`. Its results are persisted.

    Args:
        options: The arguments of `prefect.flow`.
    """

    def decorate(function: Callable[_P, _R]) -> AssetFlow[_P, _R]:
        return AssetFlow(function, **_PERSISTED, **options)

    return decorate


async def _result(run: Awaitable[Any]) -> Any:
    """Returns the result of a run, or raises its error.

    Where a flow returns a state, as ours do, Prefect raises the error of a run's first attempt
    even if a later one completes. The state itself knows better.

    Raises:
        CancelledRun: Somebody cancelled the run while it ran; then no other end of it counts.
    """
    state = await run
    if not isinstance(state, State):
        return state  # A drawing of the flow.
    if state.type is StateType.CANCELLING:
        raise CancelledRun("the flow run was cancelled")
    return await state.aresult()


def _check_kind(one: Any, of_many: bool) -> None:
    if isinstance(one, Block) or is_reference(one) or (one is None and not of_many):
        return
    hint = ""
    if isawaitable(one):
        hint = ": await it, as in `await HttpCredentials.load(...)`"
    elif isinstance(one, dict):
        hint = ": save the block first"
    raise ParameterTypeError(
        f"{CREDENTIALS} are saved blocks, or references to them as blocks.ref makes them, and no "
        f"{type(one).__name__}{hint}"
    )


def _loaded(one: Any) -> Block | None:
    block = load_reference(one) if is_reference(one) else one
    if block is not None:
        check_holds(block)
    return block


def _shown(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_shown(one) for one in value]
    if not isinstance(value, Block):
        return value if value is None or is_reference(value) else f"a {type(value).__name__}"
    try:
        return reference_to(value).parameter()
    except ConfigError:
        return name_of(value)
