"""Multihashes of arbitrary texts and data."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stac_asset.integrity import Multihash, new_hash
from tests.support.strategies import (
    fuzz,
    values,
)

CODES = [0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x20, 0xD5, 0xB201, 0xB240, 0xB260]


@fuzz(300)
@given(text=st.one_of(values, st.binary(max_size=70).map(bytes.hex)))
def test_any_value_parses_as_valid_multihash_or_none(text: Any) -> None:
    found = Multihash.parse(text)
    if found is not None:
        code, running = new_hash(found)
        assert code == found.code
        assert 4 <= len(found.digest) <= len(running.digest())
        assert Multihash.parse(str(found)) == found


@fuzz(300)
@given(
    code=st.sampled_from(CODES), data=st.binary(), length=st.integers(0, 64), upper=st.booleans()
)
def test_multihash_matches_only_its_data(code: int, data: bytes, length: int, upper: bool) -> None:
    _, running = new_hash(Multihash(code, b""))
    running.update(data)
    whole = running.digest()
    text = str(Multihash(code, whole))
    found = Multihash.parse(text.upper() if upper else text)
    assert found is None if len(whole) < 4 else found is not None and found.matches(whole)
    truncated = Multihash.parse(str(Multihash(code, whole[:length])))
    assert truncated is None or truncated.matches(whole)
    assert truncated is None or not truncated.matches(bytes([whole[0] ^ 1]) + whole[1:])
