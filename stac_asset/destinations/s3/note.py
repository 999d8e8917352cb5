"""Internal: the note about an unfinished multipart upload, an object beside the key.

A later run, on any machine, finds the note and continues the upload. An invalid note is ignored.

Before an upload has an id, its note names the key only.
"""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from dataclasses import dataclass

from stac_asset.destinations.s3.parts import MIN_PART, PartLayout

HEAD_SIZE = 16 * 1024
"""Number of bytes at the start of a file that a note keeps: the stored parts cannot be read."""

MAX_NOTE = 1024 * 1024
"""Maximum size of a note in bytes."""


def starting_note(key: str) -> bytes:
    """Return the note of an upload whose id is not known yet.

    Args:
        key: The key of the object.
    """
    return json.dumps({"upload": "", "key": key}, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class UploadNote:
    """The facts that a later run needs to continue a multipart upload."""

    upload: str
    """The id of the multipart upload."""

    mark: str
    """The text in the metadata of the object that identifies this upload."""

    source: str
    """Digest of the source's identity."""

    replaces: str | None
    """The ETag of the object of the key when the upload was opened, if any."""

    validator: str | None
    """The identifier of the version of the received bytes at the source, if reported."""

    layout: PartLayout
    """The positions of the parts."""

    head: bytes
    """The first bytes of the file, at most `HEAD_SIZE`."""

    @classmethod
    def parse(cls, data: bytes) -> UploadNote | None:
        """Return the note in a text. An invalid text has no note.

        Args:
            data: The content of the object, from any writer.
        """
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            fields = json.loads(data)
            texts = fields["upload"], fields["mark"], fields["source"]
            replaces, validator = fields["replaces"], fields["validator"]
            unit, size = fields["part_size"], fields["size"]
            head = base64.b64decode(fields["head"], validate=True)
            is_valid = all(isinstance(text, str) and text for text in texts)
            optional = replaces, validator
            is_valid = is_valid and all(isinstance(text, str | None) for text in optional)
            if (
                is_valid
                and type(unit) is int
                and unit >= MIN_PART
                and type(size) in (int, type(None))
            ):
                return cls(*texts, replaces, validator or None, PartLayout(unit, size), head)
        return None

    def to_bytes(self) -> bytes:
        """Return the note as JSON."""
        fields = {
            "upload": self.upload,
            "mark": self.mark,
            "source": self.source,
            "replaces": self.replaces,
            "validator": self.validator,
            "size": self.layout.size,
            "part_size": self.layout.unit,
            "head": base64.b64encode(self.head).decode(),
        }
        return json.dumps(fields, separators=(",", ":")).encode()
