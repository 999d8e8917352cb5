"""Numbers, byte-order marks and malformed text in JSON, and errors without content."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac_asset.notices import collect_notices
from stac_asset.rewrite.serialize import json_bytes
from stac_asset.stac.json_text import loads

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000])
def test_number_that_json_lacks_is_read_as_null(number: str) -> None:
    with collect_notices() as notices:
        for _ in range(3):
            assert loads(f'{{"a": [{number}, 1.5]}}', "item.json") == {"a": [None, 1.5]}
    (line,) = notices.lines()
    assert line.endswith("replaced by null, because JSON has none: item.json")


def test_text_of_such_numbers_is_kept() -> None:
    assert loads('["NaN", "-Infinity"]') == ["NaN", "-Infinity"]


def test_large_integers_are_exact() -> None:
    text = "[18446744073709551615, -99999999999999999999, 9223372036854775808]"
    for data in (text, text.encode()):
        assert loads(data) == [2**64 - 1, -(10**20) + 1, 2**63]


@given(VALUES)
def test_bytes_and_text_have_the_same_value(value: Any) -> None:
    text = json.dumps(value)
    assert repr(loads(text.encode())) == repr(loads(text))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_unicode_encodings_are_read(encoding: str) -> None:
    assert loads(' {"name": "Æ°"} '.encode(encoding)) == {"name": "Æ°"}


def test_byte_order_mark_of_a_text_is_skipped() -> None:
    assert loads("\ufeff[1]") == [1]


def test_lone_surrogates_and_repeated_keys_are_read() -> None:
    assert loads('{"a": 1, "a": "\\ud800"}') == {"a": "\ud800"}
    assert json.loads(json_bytes({"a": "\ud800"})) == {"a": "\ud800"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the document is empty"),
        (b" \n", "the document is empty"),
        (b"<!DOCTYPE html><title>hunter2</title>", "the document is an HTML or XML page"),
        (b'{"hunter2": "\xe9"}', "the text is not valid UTF-8"),
        (b'{"hunter2" 1}', "Expecting ':' delimiter: line 1 column 12 (char 11)"),
        (b"{} hunter2", "more text after the end of the value at character 2"),
        (
            b'{"a": 1}\n{"a": 2}\n',
            "more text after the end of the value at character 8. Give newline-delimited JSON the "
            "file name extension .ndjson.",
        ),
        (b'{"hunter2": ' * 100_000, "the values are nested too deeply"),
    ],
)
def test_error_gives_reason_without_content(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        loads(data)


@given(VALUES)
def test_written_documents_are_valid_json(value: Any) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    logging.disable(logging.WARNING)  # The notices.
    try:
        written = json_bytes({"id": "a", "value": value})
        assert json.loads(written, parse_constant=refuse) == loads(json.dumps(json.loads(written)))
    finally:
        logging.disable(logging.NOTSET)


def test_nan_of_a_python_object_is_written_as_null() -> None:
    with collect_notices() as notices:
        written = json_bytes({"id": "scene", "nodata": [float("nan"), float("inf"), 0.5]})
    assert json.loads(written) == {"id": "scene", "nodata": [None, None, 0.5]}
    assert [line.rpartition(": ")[2] for line in notices.lines()] == ["scene"]
