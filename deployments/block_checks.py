"""Internal: a Prefect server that refuses to save invalid credential blocks.

Prefect's server stores the fields of a block without a check, and the block form of Prefect 3.9.1
sends the fields in place of the schema to the server's validation. So the form accepts any values,
and only a flow run would report them.
"""

from __future__ import annotations

from functools import wraps
from typing import Any
from uuid import UUID

from prefect.server import models
from prefect.server.schemas.actions import BlockDocumentCreate, BlockDocumentUpdate
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
        check_block(kind.slug, block_document.data, has_all_secrets=True)
    return await _create(session=session, block_document=block_document)


@wraps(_update)
async def _checked_update(
    session: AsyncSession, block_document_id: UUID, block_document: BlockDocumentUpdate
) -> Any:
    saved = await _read(session=session, block_document_id=block_document_id)
    if saved is not None and saved.block_type is not None:
        before = saved.data if block_document.merge_existing_data else {}
        given = before | (block_document.data or {})
        check_block(saved.block_type.slug, given, has_all_secrets=False)
    return await _update(
        session=session, block_document_id=block_document_id, block_document=block_document
    )


def check_block(slug: str, data: dict[str, Any], has_all_secrets: bool) -> None:
    """Check the fields of a credential block. Blocks of other types are not checked.

    Args:
        slug: The slug of the block type.
        data: The fields of the block.
        has_all_secrets: Whether `data` contains all secrets. Otherwise the server masked secrets,
            and only the other fields are checked.

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
                masked = None if has_all_secrets else kind.names_of_secrets()
                reasons = invalid_fields(error, masked)
                if reasons:
                    raise ValueError(f"The block is invalid: {'; '.join(reasons)}.") from None
