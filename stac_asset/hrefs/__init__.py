"""Internal: parse and resolve hrefs, tell local paths from URLs, and write relative hrefs."""

from stac_asset.hrefs.comparison import UrlOrigin, is_same_resource, origin_of, source_identity
from stac_asset.hrefs.forms import has_plain_key, is_absolute, is_local, is_missing, stripped_href
from stac_asset.hrefs.gdal import translated_href
from stac_asset.hrefs.local import expand_home, local_path
from stac_asset.hrefs.parsing import is_openable, parse_href, valid_href
from stac_asset.hrefs.relative import quoted_path, relative_href, unquoted_name
from stac_asset.hrefs.resolving import absolute_href, with_scheme_of

__all__ = [
    "UrlOrigin",
    "absolute_href",
    "expand_home",
    "has_plain_key",
    "is_absolute",
    "is_local",
    "is_missing",
    "is_openable",
    "is_same_resource",
    "local_path",
    "origin_of",
    "parse_href",
    "quoted_path",
    "relative_href",
    "source_identity",
    "stripped_href",
    "translated_href",
    "unquoted_name",
    "valid_href",
    "with_scheme_of",
]
