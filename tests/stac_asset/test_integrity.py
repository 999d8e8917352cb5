"""Multihashes of the STAC file extension."""

from __future__ import annotations

import hashlib

import pytest

from stac_asset.integrity import Multihash, new_hash

DATA = b"data"
SHA256 = hashlib.sha256(DATA).hexdigest()

MULTIHASHES = {
    "sha1": "1114" + hashlib.sha1(DATA).hexdigest(),
    "sha256": "1220" + SHA256,
    "sha512": "1340" + hashlib.sha512(DATA).hexdigest(),
    "sha3_512": "1440" + hashlib.sha3_512(DATA).hexdigest(),
    "sha3_384": "1530" + hashlib.sha3_384(DATA).hexdigest(),
    "sha3_256": "1620" + hashlib.sha3_256(DATA).hexdigest(),
    "sha3_224": "171c" + hashlib.sha3_224(DATA).hexdigest(),
    "sha384": "2030" + hashlib.sha384(DATA).hexdigest(),
    "md5": "d50110" + hashlib.md5(DATA).hexdigest(),
    "blake2b-128": "90e40210" + hashlib.blake2b(DATA, digest_size=16).hexdigest(),
    "blake2b-512": "c0e40240" + hashlib.blake2b(DATA).hexdigest(),
    "blake2s-256": "e0e40220" + hashlib.blake2s(DATA).hexdigest(),
}
"""Multihashes of the data, with the codes of https://github.com/multiformats/multicodec."""


@pytest.mark.parametrize("text", MULTIHASHES.values(), ids=MULTIHASHES)
def test_multihash_of_each_algorithm_is_computed(text: str) -> None:
    expected = Multihash.parse(text)
    assert expected is not None
    code, running = new_hash(expected)
    for byte in DATA:
        running.update(bytes([byte]))
    assert expected.matches(running.digest())
    assert str(Multihash(code, running.digest())) == str(expected) == text
    assert not expected.matches(new_hash(expected)[1].digest())


def test_default_algorithm_is_sha256() -> None:
    code, running = new_hash()
    running.update(DATA)
    assert str(Multihash(code, running.digest())) == MULTIHASHES["sha256"]


def test_upper_case_is_parsed() -> None:
    assert Multihash.parse(MULTIHASHES["md5"].upper()) == Multihash.parse(MULTIHASHES["md5"])


def test_truncated_multihash_matches_start_of_digest() -> None:
    truncated = Multihash.parse("1204" + SHA256[:8])
    assert truncated is not None
    assert truncated.matches(bytes.fromhex(SHA256))
    assert truncated.matches(bytes.fromhex(SHA256[:8] + "00" * 28))
    assert not truncated.matches(bytes.fromhex(SHA256[:6] + "00" * 29))


@pytest.mark.parametrize(
    "text",
    [
        "1203" + SHA256[:6],
        "1200",
        "1221" + SHA256 + "00",
        "1220" + SHA256[:-2],
        "1220" + SHA256 + "00",
        "0020" + SHA256,
        "9920" + SHA256,
        "ff" * 10 + "20" + SHA256,
        "92" + "80" * 8 + "0020" + SHA256,
        "12",
        "",
        SHA256[:-1],
        "sha256:" + SHA256,
        None,
        5,
        b"1220",
        ["1220" + SHA256],
    ],
    ids=str,
)
def test_invalid_multihash_is_ignored(text: object) -> None:
    assert Multihash.parse(text) is None


@pytest.mark.parametrize("total", [16, 20, 28, 32])
def test_plain_digest_that_looks_like_truncated_multihash_is_ignored(total: int) -> None:
    assert Multihash.parse(bytes([0x12, total - 2]).hex() + SHA256[: 2 * (total - 2)]) is None
    # A truncated multihash of another length is valid.
    assert Multihash.parse(bytes([0x12, total - 1]).hex() + SHA256[: 2 * (total - 1)]) is not None


def test_full_digest_with_total_length_of_plain_digest_is_parsed() -> None:
    text = MULTIHASHES["blake2b-128"]
    assert len(bytes.fromhex(text)) == 20
    assert Multihash.parse(text) is not None
