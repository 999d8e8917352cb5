"""Internal: recognizes web pages, error messages and listings by their first bytes.

The engine checks each received file, and `existing.py` checks files of earlier runs. Whether a kind
of content is an error depends on the asset; see `declared_format.py`.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass
from enum import StrEnum

START_SIZE = 64
"""Number of bytes at the start of a file that usually show that the file is binary data."""

HEAD_SIZE = 16 * 1024
"""Number of bytes at the start of a file that are examined if the file may be a text."""

_GZIP = b"\x1f\x8b"
_SUSPICIOUS = re.compile(
    rb"\xef\xbb\xbf|\xff\xfe|\xfe\xff|\0\0\xfe\xff|\x1f\x8b|(?:\0?\s)*+\0?[<{\[]|version https"
)
"""The start of all recognized kinds of content: byte-order marks, gzip, and text."""

_BLANK = b"\0\t\n\v\f\r "
"""White space, also in UTF-16, before the first character of a text."""

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_IGNORED = re.compile(
    r"(?:\s|\ufeff|<!--.*?-->|<\?.*?\?>|<!doctype(?!\s+html)[^>\[]*>)*", re.S | re.I
)
"""Parts of a document before the first relevant tag, without a document type of HTML."""

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
"""Control characters, which texts do not contain. Escape is part of Japanese encodings."""

_TEXT_SIZE = 512
"""Number of characters in which control characters are searched."""

_TAG = re.compile(r"<!doctype\s+(?P<doctype>html)\b|<(?:[\w.-]+:)?(?P<name>[a-z_][\w.-]*)", re.I)
_HTML_TAG_NAMES = (
    "html head title meta link base style script noscript body header main nav section article div "
    "form table center iframe frameset h1 h2 h3 h4 p b i a br hr pre span font ul img input"
)
_HTML_TAGS = frozenset(_HTML_TAG_NAMES.split())
_HTML_ANYWHERE = re.compile(r"<!doctype\s+html\b|<html[\s>]", re.I)
_LISTING = re.compile(
    r"<(?:title|h1)[^>]*>\s*(?:index of\s*/|directory listing|(?:listing|contents) of\s*/)", re.I
)
_LISTING_TAGS = frozenset({"listbucketresult", "enumerationresults", "listallmybucketsresult"})
_XML_ERROR = re.compile(r"error|exception|fault|denied|forbidden|unauthorized", re.I)
_XML_CODE = re.compile(r"<(?:[\w.-]+:)?Code>\s*([A-Za-z0-9.]{1,64})\s*<")
_JSON_START = re.compile(r"[{\[]\s*[{\"]|\{\s*\}")
_JSON_ERROR_KEY_NAMES = (
    "error errors error_code error_message error_description errorcode errormessage errormsg "
    "message messages detail details fault exception exceptions statuscode status_code"
)
_JSON_ERROR_KEYS = frozenset(_JSON_ERROR_KEY_NAMES.split())
_JSON_ERROR_PAIRS = ({"code", "description"}, {"status", "title"})
"""Pairs of keys of error messages: OGC API (Features, 7.5.1) and RFC 9457."""

_MAX_TEXT = 1024
"""Maximum size in bytes of an error message in plain text."""

_TEXT = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]+")
_TEXT_ERROR = re.compile(
    r"\b(denied|forbidden|unauthori[sz]ed|not (found|allowed|authori[sz]ed|permitted|available)"
    r"|no such|(does not|doesn't) exist|error|exception|fail(ed|ure)|invalid|expired|unavailable"
    r"|bad (gateway|request)|too many|rate limit|quota|exceeded|timed? ?out|log ?in|sign ?in"
    r"|required|maintenance|temporarily|try again)\b|^\W*(null|none|undefined|[45]\d\d)\W*$",
    re.I,
)
"""Words of error messages in plain text, and values in place of a file."""

_FIRST_KEY = re.compile(r"\{\s*\"([^\"]{1,40})\"")
_POINTER = "version https://git-lfs.github.com/spec/"


class ContentKind(StrEnum):
    """Kinds of content that can arrive in place of a file, as error messages describe them."""

    HTML = "an HTML page"
    LISTING = "the listing of a directory"
    XML_ERROR = "an XML error message"
    XML = "an XML document"
    JSON_ERROR = "a JSON error message"
    JSON = "a JSON document"
    TEXT_ERROR = "an error message in plain text"
    POINTER = "a Git LFS pointer"
    BLANK = "only white space"


@dataclass(frozen=True, slots=True)
class Content:
    """The recognized content of a file."""

    kind: ContentKind
    """The kind of content."""

    code: str | None = None
    """The error code in an XML error message of an object store, if any."""


def is_suspicious(head: bytes) -> bool:
    """Return whether `content_of` can recognize the content. This check is fast.

    Args:
        head: The first bytes of a file.
    """
    is_short = len(head) <= _MAX_TEXT
    return _SUSPICIOUS.match(head) is not None or (
        is_short and (_is_text_error(head) or head.isspace())
    )


def may_be_text(start: bytes) -> bool:
    """Return whether `HEAD_SIZE` bytes of a file must be examined.

    Args:
        start: The first `START_SIZE` bytes of the file.
    """
    return is_suspicious(start) or not start.strip(_BLANK)


def content_of(head: bytes) -> Content | None:
    """Return the kind of content of a file, or None for unknown content such as a raster.

    gzip-compressed bytes are examined too, because servers compress web pages.

    Args:
        head: The first bytes of the file, at most `HEAD_SIZE`.
    """
    is_cut = len(head) >= HEAD_SIZE
    if head.isspace():
        return None if len(head) > _MAX_TEXT else Content(ContentKind.BLANK)
    if head.startswith(_GZIP):
        unpacked = _unpacked(head)
        if not unpacked.startswith(_GZIP):
            return content_of(unpacked)
    text = _decoded(head)
    if text.startswith(_POINTER):
        return Content(ContentKind.POINTER)
    if _CONTROL.search(text, 0, _TEXT_SIZE):
        return None  # Binary data can start like a text by chance.
    before = _IGNORED.match(text)
    start = before.end() if before else 0
    if text.startswith("<", start):
        return _markup(text, start)
    if _JSON_START.match(text, start):
        kind = _json_kind(text[start:], is_cut)
        return Content(kind) if kind is not None else None
    return Content(ContentKind.TEXT_ERROR) if _is_text_error(head) else None


def without_encoding(head: bytes, encoding: str, content_type: str | None) -> bytes:
    """Return the first bytes of a response without the compression of its `Content-Encoding`.

    Some compressions cannot be decoded. The content type then tells whether a web page was sent.

    Args:
        head: The first bytes as received.
        encoding: The value of `Content-Encoding`.
        content_type: The value of `Content-Type`, if any.
    """
    if encoding.lower() == "deflate":
        # Some servers leave out the header of zlib.
        return _unpacked(head, zlib.MAX_WBITS) or _unpacked(head, -zlib.MAX_WBITS) or head
    is_page = "html" in (content_type or "").lower() and _CONTROL.search(_decoded(head))
    return b"<!doctype html>" if is_page and not is_packed(head) else head


def is_packed(head: bytes) -> bool:
    """Return whether a file is gzip-compressed.

    Args:
        head: The first bytes of the file.
    """
    return head.startswith(_GZIP)


def _is_text_error(head: bytes) -> bool:
    """Return whether a file is a short text with the words of an error message."""
    if len(head) > _MAX_TEXT or not _TEXT.fullmatch(head):
        return False
    return _TEXT_ERROR.search(head.decode("utf-8", errors="replace")) is not None


def _unpacked(head: bytes, wbits: int = 31) -> bytes:
    try:
        return zlib.decompressobj(wbits).decompress(head, HEAD_SIZE)
    except zlib.error:
        return b""


def _decoded(head: bytes) -> str:
    """Return the first bytes as text. Bytes of other encodings are replaced."""
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return head[len(bom) :].decode(encoding, errors="replace")
    if head[1:2] == b"\0" and head[:1] != b"\0":
        return head.decode("utf-16-le", errors="replace")
    if head[:1] == b"\0" and head[1:2] not in (b"", b"\0"):
        return head.decode("utf-16-be", errors="replace")
    return head.decode("utf-8", errors="replace")


def _markup(text: str, start: int) -> Content | None:
    tag = _TAG.match(text, start)
    if tag is None:
        # The start is an unknown declaration, or a comment that is longer than the first bytes.
        if _HTML_ANYWHERE.search(text, start):
            return Content(ContentKind.HTML)
        return Content(ContentKind.XML) if text.startswith(("<!--", "<!", "<?"), start) else None
    name = (tag["name"] or "html").lower()
    if name in _LISTING_TAGS:
        return Content(ContentKind.LISTING)
    if name in _HTML_TAGS:
        return Content(ContentKind.LISTING if _LISTING.search(text) else ContentKind.HTML)
    if _XML_ERROR.search(name):
        code = _XML_CODE.search(text)
        return Content(ContentKind.XML_ERROR, code[1] if code else None)
    return Content(ContentKind.XML)


def _json_kind(text: str, is_cut: bool) -> ContentKind | None:
    """Return the kind of a text that starts like JSON. None if the text is not JSON."""
    try:
        document, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        first = _FIRST_KEY.match(text)
        if first is not None and first[1].lower() in _JSON_ERROR_KEYS:
            return ContentKind.JSON_ERROR
        return ContentKind.JSON if is_cut else None
    if isinstance(document, list) and len(document) == 1:
        [document] = document
    keys = {key.lower() for key in document} if isinstance(document, dict) else set()
    is_error = keys & _JSON_ERROR_KEYS or any(pair <= keys for pair in _JSON_ERROR_PAIRS)
    return ContentKind.JSON_ERROR if is_error else ContentKind.JSON
