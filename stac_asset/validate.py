"""Compare the content type of a response with the media type of an asset.

`content_type` is public. The clients use `check_content_type`, and the content checks of the engine
use `format_of`.
"""

from __future__ import annotations

from functools import lru_cache

from stac_asset.errors import ContentError, ContentTypeError
from stac_asset.notices import notice

_UNSPECIFIC_NAMES = (
    "application/octet-stream binary/octet-stream application/x-octet-stream application/binary "
    "application/download application/x-download application/force-download "
    "application/unknown binary */*"
)
_UNSPECIFIC_TYPES = frozenset(_UNSPECIFIC_NAMES.split())
"""Content types of servers that do not know the format."""

_DIRECTORY_TYPES = frozenset({"application/x-directory", "httpd/unix-directory", "inode/directory"})
"""Content types of directories, which some servers and object stores send."""

_NAMES_OF_FORMATS = {
    "tiff": "image/tiff image/tif image/x-tiff image/x-tif image/geotiff image/vnd.stac.geotiff "
    "image/cog application/tiff application/x-tiff application/geotiff application/x-geotiff "
    "tiff tif geotiff cog",
    "jpeg": "image/jpeg image/jpg image/pjpeg image/x-jpeg image/x-jpg application/jpeg jpeg jpg",
    "jpeg2000": "image/jp2 image/jpx image/jpm image/j2k image/jpeg2000 image/jpeg2000-image "
    "image/x-jpeg2000-image image/x-jp2 application/jp2 jp2 jpeg2000",
    "png": "image/png image/x-png image/vnd.mozilla.apng png",
    "gif": "image/gif gif",
    "webp": "image/webp webp",
    "zip": "application/zip application/x-zip application/x-zip-compressed "
    "application/zip-compressed multipart/x-zip zip",
    "gzip": "application/gzip application/x-gzip application/x-gunzip application/gzipped "
    "application/gzip-compressed application/x-compressed-tar application/x-tgz "
    "application/x-tar-gz application/tar+gzip gzip gz tgz",
    "tar": "application/tar application/x-tar application/x-gtar application/x-ustar tar",
    "hdf": "application/hdf application/hdf5 application/hdf4 application/x-hdf "
    "application/x-hdf4 application/x-hdf5 application/x-hdfeos application/x-hdf-eos "
    "application/vnd.hdf application/vnd.hdf5 application/netcdf application/netcdf4 "
    "application/x-netcdf application/x-netcdf4 application/vnd.netcdf image/hdf image/x-hdf "
    "hdf hdf5 h5 netcdf netcdf4 nc",
    "parquet": "application/vnd.apache.parquet application/x-parquet application/parquet "
    "application/geoparquet application/x-geoparquet application/vnd.geoparquet "
    "application/vnd.apache.geoparquet parquet geoparquet",
    "json": "application/json text/json application/x-json application/geojson "
    "application/vnd.geo+json application/jsonl application/x-jsonlines "
    "application/json-lines application/x-ndjson application/ndjson application/jsonlines "
    "text/x-json text/javascript application/javascript json geojson",
    "xml": "application/xml text/xml application/x-xml xml",
    "html": "text/html application/xhtml+xml html",
    "csv": "text/csv text/x-csv application/csv application/x-csv text/comma-separated-values "
    "text/tab-separated-values csv",
    "pdf": "application/pdf application/x-pdf pdf",
    "geopackage": "application/geopackage+sqlite3 application/geopackage+vnd.sqlite3 "
    "application/x-gpkg application/x-geopackage application/x-sqlite3 application/vnd.sqlite3 "
    "gpkg geopackage",
    "grib": "application/grib application/x-grib application/grib2 application/x-grib2 "
    "application/wmo-grib application/wmo-grib2 grib grib2",
    "las": "application/vnd.las application/vnd.laszip application/x-las application/x-laz "
    "application/vnd.laszip+copc las laz copc",
    "flatgeobuf": "application/vnd.flatgeobuf application/flatgeobuf application/x-flatgeobuf fgb",
    "zarr": "application/vnd+zarr application/vnd.zarr application/x-zarr application/zarr zarr",
}
_FORMATS = {name: kind for kind, names in _NAMES_OF_FORMATS.items() for name in names.split()}
"""The format of each media type, with the names that servers and catalogs use in practice."""

_ZARR_STORES = frozenset({"zarr", "zip"})
"""Formats of a Zarr store in a single file."""


def content_type(actual: str, expected: str) -> None:
    """Validate that the actual content type does not contradict the expected type.

    Letter case and parameters are ignored, so COGs match other TIFFs. Of several types, one must
    match. In addition:

    - alternative names of a format match: `image/tif`, `TIFF`, `application/x-parquet`, and all
      types that end in `+json` or `+xml`
    - unknown types, and an actual type `text/plain` or `application/octet-stream`, match every type
    - `application/gzip` matches every type except HTML, because any file can be compressed
    - `text/html` contradicts every type except HTML and `application/octet-stream`

    Args:
        actual: The content type of the response.
        expected: The media type of the asset.

    Raises:
        ContentTypeError: The types contradict each other.
    """
    if not _is_possible(actual, expected):
        raise ContentTypeError(actual, expected)


def check_content_type(actual: str | None, expected: str | None, strict: bool, href: str) -> None:
    """Check the content type of a response, if both types are known.

    A notice is recorded if the types differ without a contradiction.

    Args:
        actual: The content type that the source reports, if any.
        expected: The media type that the asset declares, if any.
        strict: Raise an error for a contradiction. Otherwise a notice is recorded.
        href: The redacted href, for the error and the notice.

    Raises:
        ContentTypeError: The types contradict each other, and `strict` is set.
        ContentError: The source reports that the href is a directory.
    """
    if not actual:
        return
    if strict and not _DIRECTORY_TYPES.isdisjoint(_types(actual)):
        raise directory_error(href, f"the content type '{actual}'")
    if not expected or _is_same(actual, expected):
        return
    if strict and not _is_possible(actual, expected):
        raise ContentTypeError(actual, expected, href)
    notice(
        "the content type of the response differs from the media type of the asset",
        f"'{actual}' instead of '{expected}' for {href}",
    )


def directory_error(href: str, found: str | None = None) -> ContentError:
    """Return the error for an href that is a directory.

    Args:
        href: The redacted href, or the path.
        found: The answer of the source, such as "an HTML page", if any.
    """
    answer = f": the source sent {found}" if found else ""
    return ContentError(
        f"{href} is a directory, not a file{answer}. Leave out the asset with `exclude`, or copy "
        "the directory with a tool such as rclone, s5cmd or wget."
    )


@lru_cache(maxsize=512)
def format_of(media_type: str) -> str | None:
    """Return the format of a media type, such as "tiff". None for unknown types.

    Args:
        media_type: The media type or types, in any letter case, with or without parameters.
    """
    return next((kind for name in _types(media_type) if (kind := _format(name))), None)


def _format(name: str) -> str | None:
    known = _FORMATS.get(name)
    if known is None and name.endswith(("+json", "+json-seq")):
        return "json"
    if known is None and name.endswith("+xml"):
        return "xml"
    return known


@lru_cache(maxsize=512)
def _is_same(actual: str, expected: str) -> bool:
    """Return whether both types name the same format, or the actual type is unspecific."""
    actual_types, expected_types = _types(actual), _types(expected)
    if set(actual_types) & (set(expected_types) | _UNSPECIFIC_TYPES):
        return True
    actual_format = format_of(actual)
    return actual_format is not None and actual_format == format_of(expected)


@lru_cache(maxsize=512)
def _is_possible(actual: str, expected: str) -> bool:
    """Return whether a file of the expected type can have the actual type."""
    if _is_same(actual, expected) or "text/plain" in _types(actual):
        return True
    actual_format, expected_format = format_of(actual), format_of(expected)
    if "html" in (actual_format, expected_format):
        other = expected if actual_format == "html" else actual
        return bool(set(_types(other)) & _UNSPECIFIC_TYPES)
    formats = {actual_format, expected_format}
    return None in formats or "gzip" in formats or formats == _ZARR_STORES


@lru_cache(maxsize=512)
def _types(media_types: str) -> tuple[str, ...]:
    """Return the types in a header or a field, in lower case and without parameters."""
    names = (
        part.partition(";")[0].strip(" \t\r\n\"'.").casefold() for part in media_types.split(",")
    )
    return tuple(name for name in names if name) or ("",)
