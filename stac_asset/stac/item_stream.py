"""Internal: read a JSON item collection one item at a time.

`ijson` is not used: it refuses NaN and integers of more than 64 bits, replaces lone surrogates, and
needs memory that grows with the square of the depth of nested values.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from stac_asset.stac.json_text import JsonDecoder

_CHUNK = 1024 * 1024
"""Number of bytes per read."""

_MAX_VALUE = 64 * 1024 * 1024
"""Maximum length of an item, in characters."""


class ItemStream:
    """The items of a JSON item collection.

    Args:
        file: The uncompressed JSON text, in UTF-8 or with a byte-order mark.
        name: Name of the document in notices.
    """

    fields: dict[str, Any]
    """The other fields of the item collection that were read so far."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.fields = {}
        self._text = _Text(file, name)

    def __iter__(self) -> Iterator[Any]:
        """Yield the items, of any shape.

        Raises:
            ValueError: The text is not JSON, or is not an item collection.
        """
        text = self._text
        if (start := text.peek()) != "{":
            if start in '[-0123456789tfnNI"':
                text.value()
                raise ValueError("the document is not a JSON object")
            text.value()  # Raises the error of the text.
        has_features = False
        for name in text.members("{", "}"):
            if name == "features" and text.peek() == "[":
                _check_type(self.fields.get("type", _TYPE))
                has_features = True
                for _ in text.members("[", "]"):
                    yield text.value()
            else:
                self.fields[name] = text.value()
        if not has_features:
            _check_type(self.fields.get("type"))
            raise ValueError("`features` is not a list")
        _check_type(self.fields.get("type", _TYPE))
        if text.peek():
            raise ValueError("not valid JSON: more text after the end of the item collection")


_TYPE = "FeatureCollection"


def _check_type(kind: object) -> None:
    if kind != _TYPE:
        raise ValueError(f"`type` is {kind!r}, expected '{_TYPE}'")


class _Text:
    """A JSON text that is read in parts.

    Args:
        file: The text.
        name: Name of the document in notices.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._json = JsonDecoder(name)
        self._decode: codecs.IncrementalDecoder | None = None
        self._buffer = ""
        self._at = 0
        self._is_complete = False
        self._is_started = False

    def peek(self) -> str:
        """Return the next character that is not white space, or an empty text at the end."""
        while True:
            self._at = self._json.skip_space(self._buffer, self._at)
            if self._at < len(self._buffer) or self._is_complete:
                return self._buffer[self._at : self._at + 1]
            self._read()

    def value(self) -> Any:
        """Return the next value.

        Raises:
            ValueError: The next value is not JSON, or is too long.
        """
        if not self.peek() and self._is_started:
            raise ValueError("not valid JSON: the document ends too early")
        while True:
            try:
                value, end = self._json.value_at(self._buffer, self._at)
            except ValueError as error:
                reason = error
            else:
                # A number at the end of the buffer may continue.
                if end < len(self._buffer) or self._is_complete:
                    self._at = end
                    return value
                reason = ValueError("the document ends too early")
            if self._is_complete:
                raise ValueError(f"not valid JSON: {reason}") from None
            if len(self._buffer) - self._at > _MAX_VALUE:
                raise ValueError(
                    f"not valid JSON, or an item of more than {_MAX_VALUE:,} characters"
                )
            self._read(max(_CHUNK, len(self._buffer) - self._at))

    def members(self, opening: str, closing: str) -> Iterator[str]:
        """Yield the name of each member of an object, or an empty name for each entry of an array.

        The caller reads the value before the next name.

        Args:
            opening: The first character, `{` or `[`.
            closing: The last character.

        Raises:
            ValueError: The text is not JSON.
        """
        self._take(opening)
        if self.peek() == closing:
            self._at += 1
            return
        while True:
            name = ""
            if opening == "{":
                if self.peek() != '"':
                    raise ValueError("not valid JSON: the name of a member is missing")
                name = self.value()
                self._take(":")
            yield name
            if self.peek() == closing:
                self._at += 1
                return
            self._take(",")

    def _take(self, character: str) -> None:
        if self.peek() != character:
            raise ValueError(
                f"not valid JSON: '{character}' is missing"
                if self.peek()
                else "not valid JSON: the document ends too early"
            )
        self._at += 1
        self._is_started = True

    def _read(self, size: int = _CHUNK) -> None:
        data = self._file.read(size)
        if self._decode is None:
            encoding = json.detect_encoding(data)
            self._decode = codecs.getincrementaldecoder(encoding)("surrogatepass")
        try:
            more = self._decode.decode(data, final=not data)
        except UnicodeDecodeError:
            raise ValueError("not valid JSON: the text is not valid Unicode") from None
        self._is_complete = not data
        self._buffer = self._buffer[self._at :] + more
        self._at = 0
