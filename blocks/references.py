"""Refers to saved blocks by name, where the block itself would carry its secrets along."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.blocks.core import Block

from stac_asset.errors import ConfigError

SLUG = re.compile(r"[a-z0-9-]+/[^/%&><]+")
"""`<type-slug>/<name>` of a saved block."""


@dataclass(frozen=True, slots=True)
class BlockReference:
    """A saved block, by its type and name: it can be pickled, logged and stored.

    Raises:
        ConfigError: It is not of the form `<type-slug>/<name>`.
    """

    slug: str
    """`<type-slug>/<name>`, such as `s3-credentials/mine`."""

    def __post_init__(self) -> None:
        if not isinstance(self.slug, str) or not SLUG.fullmatch(self.slug):
            raise ConfigError(
                f"'{self.slug}' refers to no block: write <type-slug>/<name>, such as "
                "s3-credentials/mine"
            )

    def parameter(self) -> dict[str, Any]:
        """Returns the reference as a flow parameter, which stays a reference where it is stored."""
        return {"$ref": {"block_document_slug": self.slug}}

    async def load(self) -> Block:
        """Returns the block, as it is saved now.

        Raises:
            ConfigError: There is no such block, or it cannot be loaded.
        """
        try:
            return await Block.aload(self.slug)
        except (ValueError, RuntimeError) as error:
            raise _unloaded(self.slug, error) from None


def is_reference(value: Any) -> bool:
    """Returns whether a flow parameter refers to a saved block, by its slug or by its id.

    Args:
        value: The parameter. Beside what `ref` makes, the forms of Prefect's UI are references.
    """
    return _name_in(value) is not None


def of_parameter(value: Any) -> BlockReference:
    """Returns the reference that a flow parameter is.

    Args:
        value: What `ref` made.

    Raises:
        ConfigError: It is none, or names no slug.
    """
    name = _name_in(value)
    if name is None:
        raise ConfigError(
            f"a {type(value).__name__} refers to no block: use BlockReference or ref of blocks, "
            "with <type-slug>/<name>"
        )
    return BlockReference(name)


def load_reference(value: dict[str, Any]) -> Block:
    """Returns the block that a flow parameter refers to, from code that awaits nothing.

    Args:
        value: The parameter, which is a reference.

    Raises:
        ConfigError: There is no such block, or it cannot be loaded.
    """
    try:
        found: Block = Block.load_from_ref(value["$ref"], _sync=True)  # type: ignore[call-arg, assignment]
    except (ValueError, RuntimeError) as error:
        raise _unloaded(_name_in(value) or "", error) from None
    return found


def _name_in(value: Any) -> str | None:
    """Returns the slug or the id in a flow parameter, or None where it refers to nothing."""
    if not isinstance(value, dict) or value.keys() != {"$ref"}:
        return None
    found = value["$ref"]
    if isinstance(found, dict) and found.keys() == {"block_document_slug"}:
        slug = found["block_document_slug"]
        return slug if isinstance(slug, str) and SLUG.fullmatch(slug) else None
    if isinstance(found, dict) and found.keys() == {"block_document_id"}:
        found = found["block_document_id"]
    try:
        return str(UUID(str(found)))
    except ValueError:
        return None


def _unloaded(name: str, error: Exception) -> ConfigError:
    reason = "is not saved" if isinstance(error, ValueError) else "cannot be loaded"
    return ConfigError(f"block '{name}' {reason}: look at `stac-asset blocks`")


def ref(slug: str) -> dict[str, Any]:
    """Returns a reference to a saved block, as the parameter of a deployment run.

    Args:
        slug: `<type-slug>/<name>`, such as `s3-credentials/mine`.

    Raises:
        ConfigError: It is not of that form.
    """
    return BlockReference(slug).parameter()


def name_of(block: Block) -> str:
    """Returns what a block is called in logs and errors.

    Args:
        block: The block, saved or not.
    """
    name = block._block_document_name
    kind = block.get_block_type_slug()
    return f"block '{kind}/{name}'" if name else f"a block of type '{kind}' without a name"


def reference_to(block: Block) -> BlockReference:
    """Returns a reference to a block.

    Args:
        block: The block.

    Raises:
        ConfigError: It is not saved.
    """
    name = block._block_document_name
    if not name or block._is_anonymous:
        kind = type(block).__name__
        raise ConfigError(
            f"this {kind} block has no name to refer to it by: save the block first, with "
            f'`await block.save("NAME")` or `prefect block create {block.get_block_type_slug()}`'
        )
    return BlockReference(f"{block.get_block_type_slug()}/{name}")


def load_now(slug: str) -> Block:
    """Returns a saved block, from code without an event loop of its own.

    Args:
        slug: `<type-slug>/<name>`.
    """
    found: Block = Block.load(slug, _sync=True)  # type: ignore[call-arg, assignment]
    return found
