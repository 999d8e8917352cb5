"""Compares the content type of a response with the media type of an asset."""

import logging

from stac_asset.errors import ContentTypeError

logger = logging.getLogger(__name__)

_ANYTHING = {"binary/octet-stream", "application/octet-stream"}
_SAME = [
    {"image/tiff", "image/geotiff", "image/vnd.stac.geotiff", "application/tiff"},
    {"application/json", "application/geo+json", "text/json"},
    {"application/xml", "text/xml"},
    {"application/x-hdf5", "application/x-hdf", "application/x-netcdf", "application/netcdf"},
]
"""Types that name the same format; a server rarely knows which of them a catalog chose."""


def content_type(actual: str, expected: str) -> None:
    """Validates that the actual content type matches the expected.

    This is normally a simple comparison of type and subtype, but has some extra rules:

    - COGs are allowed in place of TIFFs, and vice versa, as are types that differ in their
      parameters only, and older and newer names of JSON, XML and HDF5
    - Responses with `binary/octet-stream` and `application/octet-stream` are always allowed

    Args:
        actual: The actual content type
        expected: The expected content type

    Raises:
        ContentTypeError: Raised if the actual doesn't match the expected.
    """
    have, want = _essence(actual), _essence(expected)
    if have == want or have in _ANYTHING:
        return
    if any(have in same and want in same for same in _SAME):
        return
    raise ContentTypeError(actual, expected)


def check_content_type(actual: str | None, expected: str | None, strict: bool, href: str) -> None:
    """Checks a response's content type as far as both sides name one.

    Args:
        actual: What the source says, if anything.
        expected: What the asset says, if anything.
        strict: Whether a mismatch is an error; otherwise it is logged as a warning.
        href: What was asked for, as it can be shown.

    Raises:
        ContentTypeError: They do not match.
    """
    if not actual or not expected:
        return
    try:
        content_type(actual, expected)
    except ContentTypeError as error:
        if strict:
            raise
        logger.warning("%s: %s", href, error)


def _essence(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()
