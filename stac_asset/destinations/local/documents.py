"""Writes files that this library creates, such as documents and reports.

Mirrors and the report of the flows use these functions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stac_asset.destinations.local.containment import ContainedDirectory
from stac_asset.destinations.local.part_file import PartFile


@contextmanager
def new_file(path: Path, directory: Path, wait: bool = False) -> Iterator[PartFile]:
    """Open an empty part file for content that is not resumed.

    Call `append` and finally `commit`. Without a commit, the previous file stays.

    Args:
        path: The absolute path of the file.
        directory: The directory that must contain the file. A missing directory is created.
        wait: Whether to block while another writer has the part file open.

    Raises:
        BusyError: Another writer has the part file open, and `wait` is False.
        UnsafePathError: The file is outside of the directory.
        DestinationError: The part file cannot be opened.
    """
    contained = ContainedDirectory(directory)
    with PartFile.open(contained, contained.key_of(os.path.abspath(path)), wait) as part:
        part.truncate()
        yield part


def write_document(path: Path, data: bytes, directory: Path) -> None:
    """Replace a document as a whole. Block while another writer has the document open.

    Args:
        path: The absolute path of the document.
        data: The content.
        directory: The directory that must contain the document. A missing directory is created.

    Raises:
        UnsafePathError: The document is outside of the directory.
        DestinationError: The document cannot be written.
    """
    with new_file(path, directory, wait=True) as file:
        file.append(data)
        file.commit()
