"""Error documents of any content."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from stac_asset.clients.s3.errors import mapped, refuses_credentials, refuses_request
from stac_asset.clients.s3.failures import failure_from
from stac_asset.errors import TransferError, UnexpectedError

_NAMES = st.sampled_from(["Error", "Code", "Region", "Message", "RequestId", "Errors"])
_TEXTS = st.sampled_from(["", "AccessDenied", "SlowDown", "NoSuchKey", "a b", "&lt;", "\u00e9"])
_ELEMENTS = st.recursive(
    _TEXTS,
    lambda inner: st.builds(
        lambda name, parts: f"<{name}>{''.join(parts)}</{name}>", _NAMES, st.lists(inner)
    ),
    max_leaves=12,
)
_DOCUMENTS = _ELEMENTS.map(str.encode) | st.binary(max_size=60)


@given(status=st.integers(300, 599), document=_DOCUMENTS)
def test_any_error_document_becomes_a_transfer_error(status: int, document: bytes) -> None:
    failure = failure_from(status, {"date": "today"}, document, URL("http://127.0.0.1/b/k"))
    assert isinstance(failure.code, str)
    assert failure.date == "today"
    assert failure.caught(URL("http://127.0.0.1")) is None
    assert isinstance(refuses_credentials(failure.error), bool)
    assert isinstance(refuses_request(failure.error), bool)
    error = mapped(failure.error, "s3://b/k")
    assert isinstance(error, TransferError)
    assert not isinstance(error, UnexpectedError)
