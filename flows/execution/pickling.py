"""Pickle flows and tasks by name, as Python does with functions and classes.

Prefect sends flows and tasks to other processes with cloudpickle. In a module, the name of a
flow's function is bound to the flow, so cloudpickle would send a copy of the function. Such a copy
lacks the names that only its annotations use, and has its own copy of the module's state.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import copy, deepcopy
from typing import TYPE_CHECKING, Any, Self


class PickledByName:
    """Base class of flows and tasks that are pickled by module and name.

    Both pickle and cloudpickle are supported. A copy made by `with_options` is pickled as the
    original and the options that differ. Flows and tasks that are not attributes of a module in a
    package are pickled by value, as in Prefect. Examples are flows of a script, of a notebook, or
    of a file that Prefect loads by path.
    """

    if TYPE_CHECKING:
        fn: Callable[..., Any]

    def with_options(self, *args: Any, **kwargs: Any) -> Self:
        """Return this flow or task with other options.

        The arguments are those of `Flow.with_options` or `Task.with_options`.
        """
        # Prefect returns a plain Flow or Task.
        return self._like(super().with_options(*args, **kwargs))  # type: ignore[misc]

    def __copy__(self) -> Self:
        return self._like(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        new = memo[id(self)] = copy(self)
        vars(new).update(deepcopy(vars(self), memo))
        return new

    def __reduce_ex__(self, protocol: Any) -> Any:
        original = self._original()
        if original is None:
            return super().__reduce_ex__(protocol)
        if original is self:
            return self.fn.__name__  # Pickle reads a string as the name of a module attribute.
        unchanged = vars(original)
        changed = {
            name: value
            for name, value in vars(self).items()
            if name not in unchanged or unchanged[name] is not value
        }
        return copy, (original,), changed

    def _like(self, other: object) -> Self:
        """Return a new object of this class with the attributes of another object."""
        new = object.__new__(type(self))
        vars(new).update(vars(other))
        return new

    def _original(self) -> PickledByName | None:
        """Return the module attribute with the same function, if any."""
        if not is_in_package(self.fn):
            return None
        found = getattr(sys.modules.get(self.fn.__module__), self.fn.__name__, None)
        return found if isinstance(found, PickledByName) and found.fn is self.fn else None


def is_in_package(function: Callable[..., Any]) -> bool:
    """Return whether the module of a function is part of a package.

    Such a module has the same name in each process. A file that Prefect loads by path gets a
    module name without a package.

    Args:
        function: The function.
    """
    return "." in function.__module__
