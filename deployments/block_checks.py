"""Internal: a Prefect server that refuses to save invalid credential blocks.

Prefect's server stores the fields of a block without a check, and the block form of Prefect 3.9.1
sends the fields in place of the schema to the server's validation. So the form accepts any values,
and only a flow run would report them. Prefect has no public hook for such a check: two functions of
its server are replaced. `tests/deployments/test_check_server.py` tests both over HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from typing import Any
from uuid import UUID

from prefect.server import models
from prefect.server.schemas.actions import BlockDocumentCreate, BlockDocumentUpdate
from prefect.utilities.names import obfuscate
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

# Prefect's decorator has no types.
_create: Any = models.block_documents.create_block_document
_update: Any = models.block_documents.update_block_document
_read: Any = models.block_documents.read_block_document_by_id
_read_type: Any = models.block_types.read_block_type


def install_block_checks() -> None:
    """Let this process, a Prefect server, check credential blocks that are created or changed.

    The server responds to an invalid block with status 400, and with the problem of each field.
    """
    models.block_documents.create_block_document = _checked_create
    models.block_documents.update_block_document = _checked_update


@wraps(_create)
async def _checked_create(session: AsyncSession, block_document: BlockDocumentCreate) -> Any:
    kind = await _read_type(session=session, block_type_id=block_document.block_type_id)
    if kind is not None:
        check_block(kind.slug, block_document.data)
    return await _create(session=session, block_document=block_document)


@wraps(_update)
async def _checked_update(
    session: AsyncSession, block_document_id: UUID, block_document: BlockDocumentUpdate
) -> Any:
    saved = await _read(session=session, block_document_id=block_document_id, include_secrets=True)
    given = block_document.data
    if saved is not None and saved.block_type is not None and given is not None:
        given = unmasked(given, saved.data)
        before = saved.data if block_document.merge_existing_data else {}
        check_block(saved.block_type.slug, before | given)
    return await _update(
        session=session, block_document_id=block_document_id, block_document=block_document
    )


def unmasked(given: Mapping[str, Any], saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a changed block, with the saved secrets in place of masked secrets.

    A form sends the secrets that a person did not change as the server masked them.

    Args:
        given: The new fields of the block.
        saved: The saved fields of the block, with secrets.
    """
    found = dict(given)
    for name in given.keys() & saved.keys():
        value, before = given[name], saved[name]
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            found[name] = unmasked(value, before)
        elif value == obfuscate(before):
            found[name] = before
    return found


def check_block(slug: str, data: dict[str, Any]) -> None:
    """Check the fields of a credential block. Blocks of other types are not checked.

    Args:
        slug: The slug of the block type.
        data: The fields of the block, with secrets.

    Raises:
        ValueError: A field is invalid. The message contains no secret.
    """
    # Imported with the first block, so that the server starts without delay.
    from prefect_stac_asset.blocks.references import invalid_fields
    from prefect_stac_asset.blocks.registry import OUR_BLOCKS

    for kind in OUR_BLOCKS:
        if kind.get_block_type_slug() == slug:
            try:
                kind.model_validate(data)
            except ValidationError as error:
                reasons = "; ".join(invalid_fields(error))
                raise ValueError(f"The block is invalid: {reasons}.") from None
