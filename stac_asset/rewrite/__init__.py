"""Internal: rewrite STAC objects to reference downloaded files."""

from stac_asset.rewrite.rewriter import rewrite, rewrite_collection
from stac_asset.rewrite.serialize import document_of, json_bytes

__all__ = ["document_of", "json_bytes", "rewrite", "rewrite_collection"]
