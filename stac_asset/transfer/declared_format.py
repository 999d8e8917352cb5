"""Internal: the format that an asset declares by media type, name and roles, and other content.

An asset with the name `B04.tif` declares a raster, so an HTML page or a JSON document cannot be the
file. An asset without media type, known file extension and known role declares no format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from yarl import URL

from stac_asset.hrefs import parse_href
from stac_asset.transfer.content import Content, ContentKind, content_of, is_packed
from stac_asset.types import Candidate, Transfer
from stac_asset.validate import format_of

_PAGES = frozenset({ContentKind.HTML, ContentKind.LISTING, ContentKind.POINTER})
_ERRORS = _PAGES | {ContentKind.XML_ERROR, ContentKind.JSON_ERROR}

_BINARY = frozenset(ContentKind)
_CONTRADICTIONS: dict[str, frozenset[ContentKind]] = {
    "html": frozenset(),
    "text": frozenset(),
    "plain": _PAGES | {ContentKind.XML_ERROR},
    "xml": _PAGES | {ContentKind.JSON_ERROR, ContentKind.TEXT_ERROR, ContentKind.BLANK},
    "json": _PAGES
    | {ContentKind.XML_ERROR, ContentKind.XML, ContentKind.TEXT_ERROR, ContentKind.BLANK},
    "csv": _ERRORS,
    "data": _ERRORS,
    "folder": _ERRORS,
    "undeclared": frozenset({ContentKind.LISTING, ContentKind.POINTER}),
}
"""The kinds of content that contradict a format. All kinds contradict other formats."""

_EXTENSIONS = {
    extension: name
    for name, extensions in {
        "html": "html htm xhtml",
        "xml": "xml svg kml gml gpx vrt qml sld xsd xsl xslt rdf dae",
        "json": "json geojson jsonl ndjson geojsonl topojson gltf jsonld stac covjson",
        "text": "md rst py ipynb js css sql sh tex qmd",
        "plain": "txt log yaml yml toml ini cfg prj wkt wld tfw jgw pgw cpg met mtl asc pvl odl",
        "csv": "csv tsv",
        "data": "dat bin raw img bil bip bsq hdr",
        "directory": "zarr safe sen3 gdb n5",
        "gzip": "gz tgz",
        "binary": "tif tiff gtiff geotiff cog jp2 j2k jpx jpg jpeg jfif png gif webp bmp avif ecw "
        "sid ntf nitf h4 h5 he4 he5 hdf hdf4 hdf5 nc nc3 nc4 cdf netcdf grb grb2 grib grib2 bufr "
        "zip 7z rar tar bz2 tbz tbz2 xz txz zst lz4 z kmz parquet geoparquet pq arrow feather avro "
        "orc gpkg sqlite db mbtiles pmtiles fgb shp shx dbf las laz e57 npy npz mat pkl pdf mp4 "
        "mov avi webm mp3 wav doc docx xls xlsx ppt pptx hgt dt0 dt1 dt2 n1 e1 e2 ctb safetensors "
        "pt onnx whl pbf mvt kea ovr glb b3dm pnts",
    }.items()
    for extension in extensions.split()
}
_DATA_ROLE_NAMES = (
    "data overview visual reflectance temperature cloud cloud-shadow cloud-probability snow-ice "
    "land-water water-mask saturation magnitude amplitude sigma0 beta0 gamma0 covmat prd "
    "incidence-angle local-incidence-angle noise-power archive cog raster pan multispectral"
)
_DATA_ROLES = frozenset(_DATA_ROLE_NAMES.split())
_TEXT_FORMATS = frozenset({"html", "xml", "json", "text", "plain"})
"""Formats of names that weaken a binary media type, such as a VRT with the type of a TIFF."""

_DATA_PATH = re.compile(r"\.(zarr|n5|gdb)/.|/\$value/?$", re.I)
"""Paths of data without an extension: the chunks of a Zarr store, and the streams of OData."""

_ACTIONS = frozenset({"content", "download", "raw", "$value"})
"""Last segments of URLs after the name of the file, such as `B04.tif/content` at Zenodo."""

_TEXT_TYPES = ("text/markdown", "text/x-", "application/yaml", "application/x-yaml", "text/yaml")
_TEXT_ROLES = frozenset({"metadata", "iso-19115", "documentation", "license", "html", "about"})


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Content that contradicts the media type, the name or the roles of an asset."""

    content: Content
    """The content."""

    is_directory: bool
    """Whether the href names a directory, such as a Zarr store."""


def contradiction(transfer: Transfer, candidate: Candidate, head: bytes) -> Contradiction | None:
    """Return the content of a file, if the content contradicts the asset.

    Args:
        transfer: The transfer of the asset.
        candidate: The candidate of the file.
        head: The first bytes of the file.
    """
    url = parse_href(candidate.href)
    name = declared_format(transfer, url)
    if name == "gzip":
        return _packed_contradiction(url, head)
    content = content_of(head)
    if content is None or content.kind not in _CONTRADICTIONS.get(name, _BINARY):
        return None
    return Contradiction(
        content, content.kind is ContentKind.LISTING or is_directory(transfer, url)
    )


def _packed_contradiction(url: URL, head: bytes) -> Contradiction | None:
    """Return the content of a gzip file, if the content contradicts the name without `.gz`."""
    inner = _EXTENSIONS.get(PurePosixPath(_name(url)).with_suffix("").suffix[1:].lower(), "text")
    kinds = _CONTRADICTIONS.get(inner, _BINARY) if is_packed(head) else _BINARY
    content = content_of(head)
    if content is None or content.kind not in kinds:
        return None
    return Contradiction(content, False)


def declared_format(transfer: Transfer, url: URL) -> str:
    """Return the format that an asset declares, such as "tiff", "binary" or "undeclared".

    The media type takes precedence over the file extension, and both over the roles.

    Args:
        transfer: The transfer of the asset.
        url: The URL of the file.
    """
    if transfer.content_type:
        known = _format_of_type(transfer.content_type)
        if known is not None:
            by_name = _format_of_name(url)
            is_text = known not in _CONTRADICTIONS and by_name in _TEXT_FORMATS
            return "data" if is_text else known
    known = _format_of_name(url)
    if known is not None:
        return known
    if _DATA_PATH.search(url.path):
        return "data"
    if _TEXT_ROLES.intersection(transfer.roles):
        return "text"
    if _DATA_ROLES.intersection(transfer.roles):
        return "data"
    if (transfer.content_type or "").strip().lower() == "application/octet-stream":
        return "data"
    return "folder" if url.raw_path.endswith("/") else "undeclared"


def is_directory(transfer: Transfer, url: URL) -> bool:
    """Return whether an asset is a directory, according to its href or its media type.

    Args:
        transfer: The transfer of the asset.
        url: The URL of the file.
    """
    return names_directory(url) or format_of(transfer.content_type or "") == "zarr"


def names_directory(url: URL) -> bool:
    """Return whether a URL names a directory, by a final slash or an extension such as `.zarr`.

    Args:
        url: The URL.
    """
    extension = PurePosixPath(_name(url)).suffix[1:].lower()
    return url.raw_path.endswith("/") or _EXTENSIONS.get(extension) == "directory"


def _format_of_type(media_type: str) -> str | None:
    known = format_of(media_type)
    if known == "zarr":
        return "directory"
    if known is not None:
        return known
    top = media_type.strip().lower()
    if top.startswith(("image/", "video/", "audio/")):
        return "binary"
    return "text" if top.startswith(_TEXT_TYPES) else None


def _format_of_name(url: URL) -> str | None:
    for name in _names(url):
        known = _EXTENSIONS.get(PurePosixPath(name).suffix[1:].lower()) or format_of(name)
        if known is not None:
            return known
    return None


def _name(url: URL) -> str:
    folder, _, name = url.path.rstrip("/").rpartition("/")
    return folder.rpartition("/")[2] if name.lower() in _ACTIONS else name


def _names(url: URL) -> Iterator[str]:
    """Yield the file name of a URL, and values of the query, such as `file=B04.tif`."""
    yield _name(url)
    if url.scheme in ("http", "https"):
        for value in url.query.values():
            if re.search(r"[/.]", value):
                yield value.rpartition("/")[2] if "." in value else value
