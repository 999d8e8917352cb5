"""The class and the decorator of this package's flows.

Parameters are validated before Prefect stores them. Pystac objects are stored as JSON text, and
blocks as references, so no secret is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial, wraps
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar, get_type_hints

from prefect import Flow
from prefect.blocks.core import Block
from prefect.client.schemas.objects import StateType
from prefect.exceptions import CancelledRun, ParameterTypeError
from prefect.types.entrypoint import EntrypointType

from prefect_stac_asset.blocks.references import is_reference, load_reference, name_of, reference_to
from prefect_stac_asset.blocks.registry import check_supported, check_supported_destination
from prefect_stac_asset.flows.execution.embedded_server import (
    prepare_embedded_server,
    start_embedded_server,
)
from prefect_stac_asset.flows.execution.error_logs import (
    log_refused_parameters,
    shorten_error_logs,
)
from prefect_stac_asset.flows.execution.pickling import PickledByName, is_in_package
from prefect_stac_asset.flows.execution.visualization import is_drawn, mermaid_steps, show_steps
from prefect_stac_asset.flows.parameters.mirror import (
    MIRROR_SLUG,
    MIRROR_TYPE,
    mirror_parameters,
)
from prefect_stac_asset.flows.parameters.settings import with_settings
from prefect_stac_asset.flows.parameters.source import source_parameter
from prefect_stac_asset.flows.parameters.strict_schema import refuse_unknown_parameters
from prefect_stac_asset.flows.parameters.url_secrets import check_deployed_urls
from prefect_stac_asset.flows.parameters.validation import (
    BLOCKS,
    CREDENTIALS,
    DESTINATION_CREDENTIALS,
    MIRROR,
    OPTIONS,
    bound_parameters,
    check_size,
    refused_options,
    storable_parameters,
    validated_parameters,
)
from stac_asset.api.tracebacks import ShortTraceback
from stac_asset.errors import ConfigError

prepare_embedded_server()

_P = ParamSpec("_P")
_R = TypeVar("_R")

_PERSISTED: dict[str, Any] = {"persist_result": True, "result_serializer": "pickle"}
"""Options that make results and errors available to the caller of a deployment.

JSON is not used: Prefect would read models back as dictionaries, and errors from their text.
"""


def _by_module_path(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return a method that deploys a flow, with the module path as default entrypoint.

    Prefect's default is the path of the flow's file, relative to the current folder. A worker does
    not find that file. URLs with secrets are refused, because the deployment would store them.
    """

    @wraps(method)
    def deploy(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        (flow, *_) = args
        assert isinstance(flow, Flow)
        check_deployed_urls(kwargs)
        if is_in_package(flow.fn):
            kwargs.setdefault("entrypoint_type", EntrypointType.MODULE_PATH)
        return method(*args, **kwargs)

    return deploy


def _refusing_unknown(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return a method that makes a deployment whose runs have no unknown parameters."""

    @wraps(method)
    def make(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        made: Any = method(*args, **kwargs)
        strict: Any = _awaited(made) if isawaitable(made) else refuse_unknown_parameters(made)
        result: _R = strict
        return result

    async def _awaited(made: Awaitable[Any]) -> Any:
        return refuse_unknown_parameters(await made)

    return make


class AssetFlow(PickledByName, Flow[_P, _R], Generic[_P, _R]):
    """A flow that validates parameters, and stores blocks as references."""

    steps: tuple[str, ...] = ()
    """The names of the tasks, in order, for pictures."""

    to_deployment = _refusing_unknown(_by_module_path(Flow.to_deployment))
    ato_deployment = _refusing_unknown(_by_module_path(Flow.ato_deployment))
    serve = _by_module_path(Flow.serve)
    deploy = _by_module_path(Flow.deploy)
    adeploy = _by_module_path(Flow.adeploy)

    if not TYPE_CHECKING:  # Callers keep the types of the function.

        def __init__(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
            # A function that is pickled by value cannot resolve its annotations.
            fn.__annotations__ = get_type_hints(fn, include_extras=True)
            super().__init__(fn, *args, **kwargs)
            # Prefect reports unknown parameters of a run before the run starts.
            shorten_error_logs()

        def __call__(
            self,
            *args: Any,
            return_state: bool = False,
            wait_for: Iterable[Any] | None = None,
            **kwargs: Any,
        ) -> Any:
            """Run the flow. The arguments are those of the function and of `Flow.__call__`.

            Raises:
                ParameterBindError: The arguments do not fit the signature of the function.
                SourceError: `source` is too large for a parameter.
                ConfigError: Another parameter is too large.
            """
            if is_drawn():
                return super().__call__(*args, **kwargs)
            args = tuple(source_parameter(value) for value in args)
            kwargs = {name: source_parameter(value) for name, value in kwargs.items()}
            check_size(self.serialize_parameters(bound_parameters(self.fn, args, kwargs)))
            run = super().__call__(*args, return_state=True, wait_for=wait_for, **kwargs)
            return _run(run) if return_state else _result(_run(run))

    async def avisualize(self, *args: Any, **kwargs: Any) -> None:
        """Show the tasks of the flow as a picture, without running the flow.

        Requires the program `dot` of Graphviz. The arguments have no effect.
        """
        await asyncio.to_thread(show_steps, self.name, self.steps)

    def visualize(self, *args: Any, **kwargs: Any) -> Any:
        """Show the tasks of the flow as a picture, without running the flow.

        Requires the program `dot` of Graphviz. The arguments have no effect. In a running event
        loop, the result is a coroutine.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return show_steps(self.name, self.steps)
        return self.avisualize()

    def _like(self, other: object) -> Self:
        new = super()._like(other)
        new.steps = self.steps  # A flow of Prefect has no steps.
        return new

    async def agenerate_mermaid_graph(self, *args: Any, **kwargs: Any) -> str:
        """Return the tasks of the flow as a Mermaid flowchart, without running the flow.

        The arguments have no effect.
        """
        return mermaid_steps(self.steps)

    def generate_mermaid_graph(self, *args: Any, **kwargs: Any) -> str:
        """Return the tasks of the flow as a Mermaid flowchart, without running the flow.

        The arguments have no effect.
        """
        return mermaid_steps(self.steps)

    def validate_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters with blocks in place of references, and options with settings.

        Args:
            parameters: The parameters of a run.

        Raises:
            ParameterTypeError: A parameter has the wrong type. The fields of a block are not
                accepted in place of the block, because Prefect would store and show them.
            ConfigError: A referenced block does not exist, or the type of a block is not supported.
        """
        try:
            return self._validated(parameters)
        except Exception as error:
            log_refused_parameters(self.name, error)
            raise

    def _validated(self, parameters: dict[str, Any]) -> dict[str, Any]:
        credentials = parameters.get(CREDENTIALS)
        several = credentials if isinstance(credentials, list | tuple) else None
        for one in [credentials] if several is None else several:
            _check_kind(one, several is not None)
        destination = parameters.get(DESTINATION_CREDENTIALS)
        _check_kind(destination, parameter=DESTINATION_CREDENTIALS)
        valid = validated_parameters(self.fn, parameters)
        mirror = parameters.get(MIRROR)
        if mirror is not None:
            _check_kind(mirror, parameter=MIRROR)
            block: Any = _loaded(mirror, partial(_check_mirror, MIRROR_TYPE.imported()))
            given = valid | {CREDENTIALS: credentials, DESTINATION_CREDENTIALS: destination}
            fields = mirror_parameters(self.fn, given, block.parameters())
            return self._validated(fields) | {MIRROR: block}
        if OPTIONS in valid:
            valid[OPTIONS] = with_settings(valid[OPTIONS], refused_options(self.fn))
        valid[CREDENTIALS] = (
            _loaded(credentials) if several is None else [_loaded(one) for one in several]
        )
        if DESTINATION_CREDENTIALS in parameters:
            valid[DESTINATION_CREDENTIALS] = _loaded(destination, check_supported_destination)
        return valid | ({MIRROR: None} if MIRROR in parameters else {})

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters as stored by Prefect.

        Blocks are stored as references. For invalid parameters and unsaved blocks, only the type is
        stored.

        Args:
            parameters: The parameters of a run.
        """
        values = storable_parameters(self.fn, parameters)
        for name in BLOCKS:
            if name in values:
                values[name] = _storable(values[name])
        return super().serialize_parameters(values)


def asset_flow(
    steps: tuple[str, ...] = (), **options: Any
) -> Callable[[Callable[_P, _R]], AssetFlow[_P, _R]]:
    """Return a decorator that turns a function with a parameter `credentials` into a flow.

    The results of the flow are persisted.

    Args:
        steps: The names of the tasks of the flow, in order, for pictures.
        options: The arguments of `prefect.flow`.
    """

    def decorate(function: Callable[_P, _R]) -> AssetFlow[_P, _R]:
        flow = AssetFlow(function, **_PERSISTED, **options)
        flow.steps = steps
        return flow

    return decorate


async def _run(run: Awaitable[_R]) -> _R:
    """Start Prefect's embedded server if necessary, and return the result of a call of the flow."""
    start_embedded_server()
    return await run


async def _result(run: Awaitable[Any]) -> Any:
    """Return the result of a flow run, or raise the run's error.

    For flows that return a state, `Flow.__call__` raises the error of the first attempt even if a
    later attempt completes. The state has the result of the last attempt.

    Raises:
        CancelledRun: The run was cancelled.
    """
    with ShortTraceback():
        state = await run
        if state.type is StateType.CANCELLING:
            raise CancelledRun("The flow run was cancelled")
        return await state.aresult()


def _check_kind(one: Any, in_list: bool = False, parameter: str = CREDENTIALS) -> None:
    if isinstance(one, Block) or is_reference(one) or (one is None and not in_list):
        return
    hint = ""
    if isawaitable(one):
        hint = " Await it, as in `await HttpCredentials.load(...)`."
    elif isinstance(one, dict):
        hint = " Save the block first."
    kinds = (
        "saved blocks or references" if parameter == CREDENTIALS else "a saved block or reference"
    )
    raise ParameterTypeError(
        f"`{parameter}` must be {kinds} made by `blocks.ref`, not {type(one).__name__}.{hint}"
    )


def _loaded(one: Any, check: Callable[[Any], None] = check_supported) -> Block | None:
    block = load_reference(one) if is_reference(one) else one
    if block is not None:
        check(block)
    return block


def _check_mirror(kind: type[Block], block: Block) -> None:
    if not isinstance(block, kind):
        raise ConfigError(
            f"`{MIRROR}` is {name_of(block)}. Use a saved block of type '{MIRROR_SLUG}'."
        )


def _storable(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_storable(one) for one in value]
    if not isinstance(value, Block):
        return value if value is None or is_reference(value) else f"a {type(value).__name__}"
    try:
        return reference_to(value).parameter()
    except ConfigError:
        return name_of(value)
