r"""Safe names of files and folders, made from ids, keys and hrefs of untrusted documents.

The planner and mirrors build paths from these names. Each name is a single path component, and is
never `.`, `..` or the name of a part file:

- `/`, `\`, control characters and invalid Unicode are percent-encoded.
- Names of dots alone, and the first dot of names like those of part files, are percent-encoded.
- A name of more than 255 bytes keeps its start and its suffix, with a digest of the whole name
  between them.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import pystac
from pystac.layout import LayoutTemplate

from stac_asset.destinations.part_names import is_part_name
from stac_asset.errors import ConfigError, UnsafePathError
from stac_asset.hrefs import has_plain_key, local_path
from stac_asset.strategy import FileNameStrategy

_MAX_NAME = 255
"""Maximum length of a name, in bytes, on common file systems."""

_MAX_SUFFIX = 32
"""Maximum length, in bytes, of a suffix that a shortened name keeps."""

_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_PLAIN = re.compile(
    r"(?:(?:https?|s3)://[^/?#%\\\s]*/)?(?:[^?#%\\:\s]*/)?([A-Za-z0-9_-][A-Za-z0-9._-]{0,199})"
)
"""An href that ends with a safe name."""

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")


def safe_name(text: str) -> str:
    """Return a safe name of a file or folder for a text.

    Args:
        text: Any text that is not empty.
    """
    name = _UNSAFE.sub(_encoded, text)
    if not name.strip(".") or is_part_name(name):
        name = name.replace(".", "%2E", 1 if name.strip(".") else -1)
    data = name.encode()
    if len(data) > _MAX_NAME:
        suffix = PurePosixPath(name).suffix
        suffix = suffix if len(suffix.encode()) <= _MAX_SUFFIX else ""
        end = f"~{hashlib.sha256(data).hexdigest()[:16]}{suffix}"
        name = data[: _MAX_NAME - len(end.encode())].decode(errors="ignore") + end
    return name


def asset_file_name(key: str, href: str, strategy: FileNameStrategy) -> str:
    """Return the name of the file of an asset.

    Args:
        key: The key of the asset.
        href: The absolute href to download. A query is not part of the name.
        strategy: Whether the name comes from the href or from the key.

    Raises:
        HrefError: The href is a `file:` URL without a valid local path.
    """
    plain = plain_name(href)
    if plain is not None and strategy is FileNameStrategy.FILE_NAME:
        return plain
    if href[: len("data:")].lower() == "data:":
        return safe_name(_name_of_data(key, href))
    name = plain or _path(href).rpartition("/")[2]
    if strategy is FileNameStrategy.KEY:
        return safe_name(f"{key}{PurePosixPath(name).suffix}" or "asset")
    return safe_name(name or key or "asset")


def plain_name(href: object) -> str | None:
    """Return the last segment of a usual href, which is a safe name. This function is fast.

    Args:
        href: The value in the document, absolute or relative.

    Returns:
        The name, or None if `asset_file_name` must determine the name.
    """
    match = _PLAIN.fullmatch(href) if isinstance(href, str) else None
    return match[1] if match is not None else None


def _name_of_data(key: str, href: str) -> str:
    """Return the name of the file in a `data:` URL: the key, with the suffix of the media type."""
    media_type = href[len("data:") : len("data:") + 200].partition(",")[0].partition(";")[0]
    suffix = mimetypes.guess_extension(media_type.strip().lower() or "text/plain") or ""
    known = mimetypes.guess_type(key)[0] is not None
    return key if known else f"{key}{suffix}" or "asset"


def _path(href: str) -> str:
    """Return the path of an absolute href, percent-decoded if the href is a URL."""
    _, separator, rest = href.partition("://")
    if href.lower().startswith("file:"):
        return str(local_path(href))
    if not separator:
        return href
    if not has_plain_key(href):
        rest = unquote(rest.partition("#")[0].partition("?")[0])
    return rest.partition("/")[2]


class FolderTemplate:
    """A template for the folders of items, with the variables of `pystac.layout.LayoutTemplate`.

    Args:
        template: The template, such as `${collection}/${year}/${id}`.

    Raises:
        ConfigError: The template is not a string, or cannot be parsed.
        UnsafePathError: The template is absolute or contains `..`.
    """

    def __init__(self, template: str = "${id}") -> None:
        if not isinstance(template, str):
            raise ConfigError(
                f"`path_template` must be a string, not {type(template).__name__}. Use for example "
                "'${collection}/${id}'."
            )
        try:
            self._layout = LayoutTemplate(template)
        except ValueError as error:
            raise ConfigError(
                f"`path_template` '{template}' cannot be parsed: {error}. Correct the template."
            ) from None
        self._parts = [part for part in template.split("/") if part not in ("", ".")]
        if template.startswith("/") or ".." in self._parts:
            raise UnsafePathError(
                f"`path_template` '{template}' leaves the directory. Use a relative path "
                "without `..`."
            )
        self._template = template

    def folder(self, item: pystac.Item) -> str:
        """Return the folder of an item, relative to the destination directory.

        Args:
            item: The item.

        Raises:
            ConfigError: The item has no value for a variable of the template.
        """
        try:
            values = self._layout.get_template_values(item)
        except (pystac.TemplateError, AttributeError, TypeError, ValueError) as error:
            raise ConfigError(
                f"`path_template` '{self._template}' does not fit item '{item.id}': {error}. "
                "Use variables that all items have."
            ) from None
        return "/".join(safe_name(_filled(part, values) or "_") for part in self._parts)


def _filled(part: str, values: dict[str, Any]) -> str:
    """Return a part of a template with all variables replaced once.

    Variables in the inserted values are not replaced.
    """
    return _VARIABLE.sub(lambda match: str(values.get(match[1], match[0])), part)


def _encoded(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match.group().encode(errors="surrogatepass"))
