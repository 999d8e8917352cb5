"""Audits of mirrors, and the found differences."""

from __future__ import annotations

from typing import Any

from bench.planted import Found, PlantedMirror
from stac_asset.audit import AuditSummary, audit_mirror
from stac_asset.audit.differences import DifferenceRow


def found_of_row(row: DifferenceRow) -> Found:
    """Return kind, item or path, and asset of a row of the report."""
    kind, item, path, asset = (row[name] for name in ("state", "item", "path", "asset"))
    return str(kind), str(item or path), str(asset) if asset is not None else None


async def audit_found(mirror: PlantedMirror, **options: Any) -> tuple[list[Found], AuditSummary]:
    """Audit a mirror, and return the differences and the summary.

    Args:
        mirror: The mirror and the source.
        options: Options of `audit_mirror`.
    """
    rows: list[DifferenceRow] = []
    summary = await audit_mirror(
        str(mirror.source), mirror.directory, on_row=rows.append, **options
    )
    return [found_of_row(row) for row in rows], summary
