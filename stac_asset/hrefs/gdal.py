"""Internal: the URLs of paths of GDAL's virtual file systems.

`parse_href` and `absolute_href` translate such paths first.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from stac_asset.errors import HrefError
from stac_asset.hrefs.forms import SCHEME
from stac_asset.redact import redact_href

_GDAL_PATH = re.compile(
    r"/vsi(curl|s3|gs|az|adls|oss|swift|webhdfs|hdfs|zip|tar|gzip|7z|rar|sparse|subfile|mem|crypt"
    r"|cached|stdin)(_streaming)?(/|\?|$)"
)
"""The start of a path of GDAL's virtual file systems."""

_GDAL_SCHEMES = {"s3": "s3", "gs": "gs", "az": "az", "adls": "abfs", "oss": "oss"}
"""URL schemes of object stores in GDAL's paths."""


def translated_href(href: str) -> str:
    """Return the URL of a path of GDAL's virtual file systems, such as `/vsicurl/https://…`.

    Other hrefs are returned unchanged.
    Source: https://gdal.org/en/stable/user/virtual_file_systems.html

    Args:
        href: Any href.

    Raises:
        HrefError: The path names a file inside an archive, or is a path without a URL.
    """
    match = _GDAL_PATH.match(href) if href.startswith("/vsi") else None
    if match is None:
        return href
    system, rest = match[1], href[match.end() :]
    if system == "curl" and match[3] == "?":
        url = dict(parse_qsl(rest)).get("url", "")
    elif system == "curl":
        url = rest
    elif match[3] == "?":
        url = ""
    else:
        scheme = _GDAL_SCHEMES.get(system)
        url = f"{scheme}://{rest}" if scheme is not None and rest else ""
    if not SCHEME.match(url):
        raise HrefError(
            f"href '{redact_href(href)}' is a path of GDAL that has no URL of its own. Use the URL "
            "of the whole file or archive."
        )
    return url
