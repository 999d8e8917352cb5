"""What to do about errors, and how to name files."""

from enum import Enum


class ErrorStrategy(Enum):
    """What becomes of an asset, on the rewritten item, that could not be downloaded."""

    KEEP = 1
    """Keep the asset on the item with its original href."""

    DELETE = 2
    """Delete the asset from the item."""


class FileNameStrategy(Enum):
    """How the file of an asset is named."""

    FILE_NAME = 1
    """Save the asset with the file name in its href.

    Two assets whose hrefs end alike collide, which is an error before anything is downloaded.
    """

    KEY = 2
    """Save the asset with its key as its file name, and the suffix of its href."""
