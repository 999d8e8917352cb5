"""References to saved blocks by type and name. References contain no secrets."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.blocks.core import Block
from pydantic import ValidationError

from stac_asset.errors import ConfigError

SLUG = re.compile(r"[a-z0-9-]+/[^/%&><]+")
"""`<type-slug>/<name>` of a saved block."""

_UNLOADABLE = re.compile(r"Unable to load ('.+') of block type")
"""Start of Prefect's message about a block with invalid fields, with the name of the block."""


@dataclass(frozen=True, slots=True)
class BlockReference:
    """Reference to a saved block by type and name. References can be pickled, logged and stored.

    Raises:
        ConfigError: The slug does not have the form `<type-slug>/<name>`.
    """

    slug: str
    """`<type-slug>/<name>`, such as `s3-credentials/mine`."""

    def __post_init__(self) -> None:
        if not isinstance(self.slug, str) or not SLUG.fullmatch(self.slug):
            raise ConfigError(
                f"'{self.slug}' is not a block reference. Use <type-slug>/<name>, such as "
                "s3-credentials/mine."
            )

    def parameter(self) -> dict[str, Any]:
        """Return the reference as a flow parameter. Prefect stores the reference, not the block."""
        return {"$ref": {"block_document_slug": self.slug}}

    async def load(self) -> Block:
        """Load the block from Prefect's API.

        Raises:
            ConfigError: The block does not exist or cannot be loaded.
        """
        try:
            return await Block.aload(self.slug)
        except (ValueError, RuntimeError) as error:
            raise _load_error(f"'{self.slug}'", error) from None


def is_reference(value: Any) -> bool:
    """Return whether a flow parameter is a reference to a saved block, by slug or by id.

    Args:
        value: The parameter, as `ref` or Prefect's UI creates it.
    """
    return referenced_block(value) is not None


def parse_reference(value: Any) -> BlockReference:
    """Return the reference in a flow parameter that refers to a saved block.

    Args:
        value: The parameter, as `ref` creates it.

    Raises:
        ConfigError: The parameter is not a reference by slug.
    """
    name = referenced_block(value)
    if name is None:
        raise ConfigError(
            f"A {type(value).__name__} is not a block reference. Use `BlockReference` or `ref` "
            "with <type-slug>/<name>."
        )
    return BlockReference(str(name))


def load_reference(value: dict[str, Any]) -> Block:
    """Load the block that a flow parameter refers to, from synchronous code.

    Args:
        value: The parameter, which is a reference.

    Raises:
        ConfigError: The block does not exist or cannot be loaded.
    """
    try:
        found: Block = Block.load_from_ref(value["$ref"], _sync=True)  # type: ignore[call-arg, assignment]
    except (ValueError, RuntimeError) as error:
        raise _load_error(f"'{referenced_block(value)}'", error) from None
    return found


def referenced_block(value: Any) -> str | UUID | None:
    """Return the slug or the id of the block in a flow parameter. Other values refer to no block.

    Args:
        value: The parameter, as `ref` or Prefect's UI creates it.
    """
    if not isinstance(value, dict) or value.keys() != {"$ref"}:
        return None
    found = value["$ref"]
    if isinstance(found, dict) and found.keys() == {"block_document_slug"}:
        slug = found["block_document_slug"]
        return slug if isinstance(slug, str) and SLUG.fullmatch(slug) else None
    if isinstance(found, dict) and found.keys() == {"block_document_id"}:
        found = found["block_document_id"]
    try:
        return UUID(str(found))
    except ValueError:
        return None


def _load_error(name: str, error: Exception) -> ConfigError:
    """Return an error with the name of the block, and the name and problem of each invalid field.

    The values of fields are not shown, because they may be secrets.
    """
    invalid = error.__cause__
    if isinstance(invalid, ValidationError):
        # A reference by id does not contain the name and the type of the block.
        named = _UNLOADABLE.match(str(error))
        shown = f"{named[1]} of type {invalid.title}" if named else name
        reasons = "; ".join(invalid_fields(invalid))
        return ConfigError(
            f"Block {shown} is invalid: {reasons}. Correct the block and save it again."
        )
    reason = "is not saved" if isinstance(error, ValueError) else "cannot be loaded"
    return ConfigError(f"Block {name} {reason}. Run `stac-asset blocks` to list blocks.")


def invalid_fields(error: ValidationError, masked: Container[str] | None = None) -> list[str]:
    """Return the name and the problem of each invalid field of a block.

    Args:
        error: The error of the validation.
        masked: The names of the fields whose values the server masked. Problems of these fields,
            and of several fields together, are left out.
    """
    reasons = []
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        loc = one["loc"]
        if masked is None or (loc and loc[0] not in masked):
            reason = one["msg"].removeprefix("Value error, ").rstrip(".")
            reasons.append(f"{'.'.join(map(str, loc))}: {reason}" if loc else reason)
    return reasons


def ref(slug: str) -> dict[str, Any]:
    """Return a reference to a saved block, as the parameter of a flow run or a deployment.

    Args:
        slug: `<type-slug>/<name>`, such as `s3-credentials/mine`.

    Raises:
        ConfigError: The slug does not have the form `<type-slug>/<name>`.
    """
    return BlockReference(slug).parameter()


def name_of(block: Block) -> str:
    """Return the name of a block for logs and errors.

    Args:
        block: The block, saved or not.
    """
    name = block._block_document_name
    kind = block.get_block_type_slug()
    return f"block '{kind}/{name}'" if name else f"a block of type '{kind}' without a name"


def reference_to(block: Block) -> BlockReference:
    """Return a reference to a saved block.

    Args:
        block: The block.

    Raises:
        ConfigError: The block is not saved.
    """
    name = block._block_document_name
    if not name or block._is_anonymous:
        kind = type(block).__name__
        raise ConfigError(
            f"The {kind} block is not saved and cannot be referenced. Save the block with "
            f'`await block.save("NAME")` or `prefect block create {block.get_block_type_slug()}`.'
        )
    return BlockReference(f"{block.get_block_type_slug()}/{name}")


def load_now(slug: str) -> Block:
    """Load a saved block from synchronous code. Pickles of blocks call this function.

    Args:
        slug: `<type-slug>/<name>`.
    """
    found: Block = Block.load(slug, _sync=True)  # type: ignore[call-arg, assignment]
    return found
