r"""Names of files and folders, made of ids, keys and hrefs that may be hostile.

Whatever the text, a name stays one name: it cannot climb, cannot hold a NUL, and fits a file
system. The characters `/`, `\\` and control characters, and what would make the whole a special
name, are percent-encoded; a name of more than 255 bytes keeps its beginning and its suffix, with
a digest of the whole between.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import pystac
from pystac.layout import LayoutTemplate

from stac_asset.destinations.local.part_names import is_part_name
from stac_asset.errors import ConfigError, UnsafePathError
from stac_asset.hrefs import local_path
from stac_asset.strategy import FileNameStrategy

_NAME_MAX = 255
_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")


def safe_name(text: str) -> str:
    """Returns a text as the name of one file or folder.

    Args:
        text: Any text, not empty.
    """
    name = _UNSAFE.sub(_encoded, text)
    if not name.strip(".") or is_part_name(name):
        name = name.replace(".", "%2E", 1 if name.strip(".") else -1)
    data = name.encode()
    if len(data) > _NAME_MAX:
        suffix = PurePosixPath(name).suffix
        suffix = suffix if len(suffix.encode()) <= 32 else ""
        end = f"~{hashlib.sha256(data).hexdigest()[:16]}{suffix}"
        name = data[: _NAME_MAX - len(end.encode())].decode(errors="ignore") + end
    return name


def asset_file_name(key: str, href: str, strategy: FileNameStrategy) -> str:
    """Returns the name of an asset's file.

    Args:
        key: The asset's key.
        href: The href that is fetched; its query is no part of the name.
        strategy: Whether the href or the key names the file.

    Raises:
        HrefError: It is a `file:` URL that names no local path.
    """
    name = _path(href).rpartition("/")[2]
    if strategy is FileNameStrategy.KEY:
        return safe_name(f"{key}{PurePosixPath(name).suffix}" or "asset")
    return safe_name(name or key or "asset")


def _path(href: str) -> str:
    scheme, separator, rest = href.partition("://")
    if href.lower().startswith("file:"):
        return str(local_path(href))
    if not separator:
        return href
    if scheme.lower() != "s3":  # A key is any text, not percent-encoded.
        rest = unquote(rest.partition("#")[0].partition("?")[0])
    return rest.partition("/")[2]


class FolderTemplate:
    """The folders of items, from a template with the variables of `pystac.layout.LayoutTemplate`.

    Args:
        template: The template, e.g. `${collection}/${year}/${id}`.

    Raises:
        ConfigError: The template cannot be parsed.
        UnsafePathError: The template itself leaves the directory.
    """

    def __init__(self, template: str = "${id}") -> None:
        try:
            self._layout = LayoutTemplate(template)
        except ValueError as error:
            raise ConfigError(f"path_template '{template}' cannot be parsed: {error}") from None
        self._parts = [part for part in template.split("/") if part not in ("", ".")]
        if template.startswith("/") or ".." in self._parts:
            raise UnsafePathError(f"path_template '{template}' leaves the directory")
        self._template = template

    def folder(self, item: pystac.Item) -> str:
        """Returns the relative folder of an item.

        Args:
            item: The item.

        Raises:
            ConfigError: The item has no value for a variable.
        """
        try:
            values = self._layout.get_template_values(item)
        except (pystac.TemplateError, AttributeError, TypeError, ValueError) as error:
            raise ConfigError(
                f"path_template '{self._template}' does not fit item '{item.id}': {error}"
            ) from None
        return "/".join(safe_name(_filled(part, values) or "_") for part in self._parts)


def _filled(part: str, values: dict[str, Any]) -> str:
    """Returns a part of a template with its variables put in, and none in what was put in."""
    return _VARIABLE.sub(lambda match: str(values.get(match[1], match[0])), part)


def _encoded(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match.group().encode(errors="surrogatepass"))
