"""Compare the content type of a response with the media type of an asset.

`content_type` is public. The clients use `check_content_type`.
"""

import logging

from stac_asset.errors import ContentTypeError

logger = logging.getLogger(__name__)

_UNSPECIFIC_TYPES = {"binary/octet-stream", "application/octet-stream"}
_EQUIVALENT_TYPES = [
    {"image/tiff", "image/geotiff", "image/vnd.stac.geotiff", "application/tiff"},
    {"application/json", "application/geo+json", "text/json"},
    {"application/xml", "text/xml"},
    {"application/x-hdf5", "application/x-hdf", "application/x-netcdf", "application/netcdf"},
]
"""Sets of media types for the same format. Servers and catalogs often differ."""


def content_type(actual: str, expected: str) -> None:
    """Validate that the actual content type matches the expected type.

    Types match if type and subtype are equal. Parameters are ignored, so COGs match other TIFFs. In
    addition:

    - alternative names of the same format match (TIFF, JSON, XML, HDF5 and netCDF)
    - an actual type `binary/octet-stream` or `application/octet-stream` matches every expected type

    Args:
        actual: The content type of the response.
        expected: The media type of the asset.

    Raises:
        ContentTypeError: The types do not match.
    """
    actual_type, expected_type = _without_parameters(actual), _without_parameters(expected)
    if actual_type == expected_type or actual_type in _UNSPECIFIC_TYPES:
        return
    if any({actual_type, expected_type} <= types for types in _EQUIVALENT_TYPES):
        return
    raise ContentTypeError(actual, expected)


def check_content_type(actual: str | None, expected: str | None, strict: bool, href: str) -> None:
    """Check the content type of a response, if both types are known.

    Args:
        actual: The content type that the source reports, if any.
        expected: The media type that the asset declares, if any.
        strict: Raise an error for a mismatch. Otherwise a warning is logged.
        href: The redacted href, for the warning.

    Raises:
        ContentTypeError: The types do not match, and `strict` is set.
    """
    if not actual or not expected:
        return
    try:
        content_type(actual, expected)
    except ContentTypeError as error:
        if strict:
            raise
        logger.warning("%s: %s", href, error)


def _without_parameters(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()
