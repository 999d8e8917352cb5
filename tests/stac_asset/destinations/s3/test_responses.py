"""Documents of S3's responses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac_asset.destinations.s3.responses import copied_etag, listed_page

OBJECT = (
    "<Contents><Key>a%20b+c</Key><Size>3</Size><ETag>1</ETag>"
    "<LastModified>2026-06-01T00:00:00.000Z</LastModified></Contents>"
)


def listing(content: str) -> bytes:
    namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
    return f'<ListBucketResult xmlns="{namespace}">{content}</ListBucketResult>'.encode()


def test_keys_are_decoded_if_the_service_encodes_them() -> None:
    for encoding, key in (("<EncodingType>url</EncodingType>", "a b c"), ("", "a%20b+c")):
        page = listed_page(listing(f"<Name>b</Name>{encoding}{OBJECT}"))
        assert page is not None
        [found] = page.objects
        assert (found.key, found.size, found.etag, found.changed) == (key, 3, '"1"', 1780272000.0)


def test_time_without_a_zone_is_utc() -> None:
    page = listed_page(listing(f"<Name>b</Name>{OBJECT.replace('Z<', '<')}"))
    assert page is not None
    assert page.objects[0].changed == 1780272000.0


@pytest.mark.parametrize(
    ("content", "token"),
    [
        ("<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>", "t"),
        ("<IsTruncated>false</IsTruncated><NextContinuationToken>t</NextContinuationToken>", None),
        ("<IsTruncated>true</IsTruncated>", None),
    ],
)
def test_token_of_the_next_page(content: str, token: str | None) -> None:
    page = listed_page(listing(content))
    assert page is not None
    assert page.next_token == token


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html/>",
        b"<Error><Code>SlowDown</Code></Error>",
        listing(""),
        listing(f"<Name>b</Name>{OBJECT.replace('<Size>3</Size>', '')}"),
        listing(f"<Name>b</Name>{OBJECT.replace('2026', 'x')}"),
        listing(f"<Name>b</Name>{OBJECT}")[:-5],
    ],
)
def test_other_documents_are_no_listing(document: bytes) -> None:
    assert listed_page(document) is None


@pytest.mark.parametrize(
    ("document", "etag"),
    [
        (b'<CopyObjectResult xmlns="x"><ETag>"1"</ETag></CopyObjectResult>', '"1"'),
        (b"<Error><Code>InternalError</Code></Error>", None),
        (b"  <?xml", ""),
        (b"  ", ""),
        (b"<html/>", ""),
    ],
)
def test_etag_of_a_copy(document: bytes, etag: str | None) -> None:
    assert copied_etag(document) == etag


@given(
    st.one_of(
        st.binary(),
        st.text('<>/&;="! \n0aZ').map(lambda text: listing(f"<Name>b</Name>{text}")),
        st.builds(
            lambda size, time: listing(
                f"<Name>b</Name><Contents><Key>k</Key><ETag>1</ETag><Size>{size}</Size>"
                f"<LastModified>{time}</LastModified></Contents>"
            ),
            st.text("0123456789-_ "),
            st.text("0123456789-:TZ+."),
        ),
    )
)
def test_any_document_is_handled(document: bytes) -> None:
    listed_page(document)
    copied_etag(document)
