"""Strategies for failed assets and for file names. `Config` has a field for each."""

from enum import Enum


class ErrorStrategy(Enum):
    """How the rewritten item represents a failed asset."""

    KEEP = 1
    """Keep the asset on the item, with the source href."""

    DELETE = 2
    """Delete the asset from the item."""


class FileNameStrategy(Enum):
    """How the file of an asset is named."""

    FILE_NAME = 1
    """Use the file name of the href.

    If two assets of an item have the same file name, the asset key is added to both names.
    """

    KEY = 2
    """Use the asset key as the file name, with the suffix of the href."""
