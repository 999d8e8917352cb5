"""Internal: which S3 objects may be copied within the store, by the properties of an object."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from stac_asset.errors import ContentTypeError
from stac_asset.integrity import Multihash
from stac_asset.validate import check_content_type

_CHECKSUMS = {
    "x-amz-checksum-sha256": 0x12,
    "x-amz-checksum-sha1": 0x11,
    "x-amz-checksum-sha512": 0x13,
}
"""Headers of a response, and the codes of the multihashes."""

_TEXT = re.compile(r"text/|.*[/+](xml|json|html|xhtml)", re.IGNORECASE)
"""Content types of web pages, error messages and listings of directories."""


def may_be_copied(actual: str | None, expected: str | None) -> bool:
    """Return whether an object can be the asset, as far as the content type tells.

    A copy does not read the content. So texts are copied only if the asset has the same type.

    Args:
        actual: The content type of the object.
        expected: The media type of the asset, if any.
    """
    if actual is None:
        return True
    if _TEXT.match(actual):
        return expected is not None and actual.partition(";")[0] == expected.partition(";")[0]
    try:
        if expected is not None and actual != expected:
            check_content_type(actual, expected, True, "")
    except ContentTypeError:
        return False
    return True


def whole_checksums(headers: Mapping[str, str]) -> tuple[Multihash, ...]:
    """Return the checksums of a whole object that S3 stores. Checksums of parts are left out.

    Args:
        headers: The headers of the response to a HEAD request that asks for the checksums. Their
            names are not case-sensitive.
    """
    if headers.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT":
        return ()
    return tuple(
        Multihash(code, base64.b64decode(headers[name]))
        for name, code in _CHECKSUMS.items()
        if headers.get(name) and "-" not in headers[name]
    )
