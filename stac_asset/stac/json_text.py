"""Internal: parse JSON, with the deviations of real servers.

All documents, pages of APIs, lines of item files and parameters with JSON text are parsed here.
Compared with the `json` module:

- A byte-order mark is skipped, in UTF-8, UTF-16 and UTF-32.
- `NaN`, `Infinity` and numbers out of range are read as null, with a notice.
- Errors do not quote the content.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache, partial
from typing import Any

import orjson

from stac_asset.notices import notice
from stac_asset.rewrite.serialize import NOT_FINITE

_BOM = "\ufeff"

_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_NUMBER, _LONG_NEGATIVE = b"0" * 20, b"-" + b"0" * 19
"""Digits of integers that can exceed 64 bits. orjson reads such integers as floats."""


def loads(data: bytes | str, name: str = "") -> Any:
    """Return the value of a JSON text.

    Args:
        data: The text, or its bytes in UTF-8, UTF-16 or UTF-32.
        name: Name of the document in the notice about numbers that are not finite.

    Raises:
        ValueError: The text is not JSON, or is nested too deeply. The message does not quote the
            text.
    """
    if isinstance(data, bytes) and not _has_long_number(data):
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            pass  # The text is invalid, or deviates from the standard as described above.
    text = (data if isinstance(data, str) else _decoded(data)).removeprefix(_BOM)
    decoder = _decoder(name)
    value, end = decoder.value_at(text, decoder.skip_space(text, 0))
    following = decoder.skip_space(text, end)
    if following != len(text):
        # In newline-delimited JSON, the value ends after the first item.
        advice = ". Give newline-delimited JSON the file name extension .ndjson."
        raise ValueError(
            f"more text after the end of the value at character {end}"
            f"{advice if text[following] == text[0] == '{' else ''}"
        )
    return value


def _has_long_number(data: bytes) -> bool:
    digits = data.translate(_DIGITS_TO_ZERO)
    return _LONG_NUMBER in digits or _LONG_NEGATIVE in digits


class JsonDecoder:
    """Parses the values of a JSON text one at a time.

    Args:
        name: Name of the document in the notice about numbers that are not finite.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        read = partial(json.JSONDecoder, parse_float=self._float, parse_constant=self._constant)
        self._decoder = read()
        # Python refuses integers of more than 4,300 digits. The hook makes the decoder slower.
        self._lenient = read(parse_int=self._int)

    def value_at(self, text: str, start: int) -> tuple[Any, int]:
        """Return the value at a position of a text, and the position after the value.

        Args:
            text: The text.
            start: Position of the first character of the value.

        Raises:
            ValueError: The text at the position is not a JSON value, or is nested too deeply.
        """
        try:
            try:
                return self._decoder.raw_decode(text, start)
            except json.JSONDecodeError as error:
                raise ValueError(_reason(error, text)) from None
            except ValueError:
                return self._lenient.raw_decode(text, start)
        except RecursionError:
            raise ValueError("the values are nested too deeply") from None

    @staticmethod
    def skip_space(text: str, start: int) -> int:
        """Return the position of the first character that is not white space.

        Args:
            text: The text.
            start: The position to start from.
        """
        match = json.decoder.WHITESPACE.match(text, start)  # type: ignore[attr-defined]
        end: int = match.end()
        return end

    def _float(self, text: str) -> float | None:
        value = float(text)
        if math.isfinite(value):
            return value
        self._constant(text)
        return None

    def _int(self, text: str) -> int | None:
        try:
            return int(text)
        except ValueError:
            self._constant(text)
            return None

    def _constant(self, text: str) -> None:
        notice(NOT_FINITE, self._name)


@lru_cache(maxsize=16)
def _decoder(name: str) -> JsonDecoder:
    """Return a decoder. The cache saves half of the time for short lines."""
    return JsonDecoder(name)


def _decoded(data: bytes) -> str:
    encoding = json.detect_encoding(data)
    try:
        return data.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        raise ValueError(f"the text is not valid {encoding.upper()}") from None


def _reason(error: json.JSONDecodeError, text: str) -> str:
    start = text.lstrip()[:1]
    if not start:
        return "the document is empty"
    if start == "<":
        return "the document is an HTML or XML page"
    return str(error)
