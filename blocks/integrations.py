"""Block types of other Prefect integrations, whose classes are not imported."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class IntegrationBlock:
    """A block type of another Prefect integration.

    The class of the type is not imported, because importing an integration takes up to a second.
    """

    name: str
    """Name of the class."""

    slug: str
    """Slug of the block type."""

    description: str
    """One sentence for run forms."""

    module: str
    """Name of the module of the class."""

    def is_instance(self, value: Any) -> bool:
        """Return whether a value is a block of this type.

        Args:
            value: Any value. The module of the class is imported if a block of the class exists.
        """
        module = sys.modules.get(self.module)
        return module is not None and isinstance(value, getattr(module, self.name, ()))

    def imported(self) -> Any:
        """Return the class of this type, and import the module of the class."""
        return getattr(import_module(self.module), self.name)


def is_one_of(value: Any, kinds: Iterable[IntegrationBlock]) -> bool:
    """Return whether a value is a block of one of several types.

    Args:
        value: Any value.
        kinds: The types.
    """
    return any(kind.is_instance(value) for kind in kinds)
