"""Internal: decides whether the bytes of a file can be the asset.

`CandidateDownload` checks each received file before the commit, and `find_existing` checks the
files of earlier runs.
"""

from __future__ import annotations

from yarl import URL

from stac_asset.config import Config
from stac_asset.errors import ContentError, TransferError
from stac_asset.hrefs import parse_href
from stac_asset.notices import notice
from stac_asset.redact import redact_href
from stac_asset.transfer.content import ContentKind, is_packed, is_suspicious
from stac_asset.transfer.declared_format import (
    Contradiction,
    contradiction,
    declared_format,
    is_directory,
)
from stac_asset.transfer.logins import is_login, login_error
from stac_asset.types import Candidate, Transfer
from stac_asset.validate import directory_error

_ALWAYS_CHECKED = 64 * 1024
"""Size in bytes up to which the content of an existing file of the declared size is checked."""


def empty_error(transfer: Transfer, candidate: Candidate, config: Config) -> ContentError | None:
    """Return the error for a file without bytes, if the asset may not be empty.

    Args:
        transfer: The transfer.
        candidate: The candidate of the file.
        config: The configuration, for `allow_empty_files`.
    """
    if transfer.size == 0 or config.allow_empty_files:
        return None
    shown = redact_href(candidate.href)
    if is_directory(transfer, parse_href(candidate.href)):
        return directory_error(shown, "an empty file")
    return ContentError(
        f"{shown} cannot be used: the source sent an empty file. Set `allow_empty_files=True` to "
        "accept empty files."
    )


def content_error(
    transfer: Transfer,
    candidate: Candidate,
    head: bytes,
    config: Config,
    answered_by: URL | None = None,
) -> TransferError | None:
    """Return the error for content that contradicts the asset, such as an HTML page for a raster.

    With `Config.check_content=False`, the content is accepted with a notice.

    Args:
        transfer: The transfer.
        candidate: The candidate of the file.
        head: The first bytes of the file.
        config: The configuration, for `check_content`.
        answered_by: The URL that sent the file, after all redirects, if known.
    """
    if not is_suspicious(head):
        return None
    found = contradiction(transfer, candidate, head)
    if found is None:
        return None
    if not config.check_content:
        notice(
            "the content contradicts the asset's media type, name or roles",
            f"{found.content.kind} for {redact_href(candidate.href)}",
        )
        return None
    return _error(found, parse_href(candidate.href), answered_by)


def note_compression(transfer: Transfer, candidate: Candidate, head: bytes, encoding: str) -> None:
    """Record a notice about a file that is stored compressed, unless the asset declares this.

    Args:
        transfer: The transfer.
        candidate: The candidate of the file.
        head: The first bytes of the file.
        encoding: The value of `Content-Encoding`.
    """
    is_declared = transfer.size is not None or transfer.checksum is not None
    is_gzip = "gzip" in encoding.lower()
    is_plain = encoding.lower() == "identity" or (is_gzip and not is_packed(head))
    if is_declared or is_plain or declared_format(transfer, parse_href(candidate.href)) == "gzip":
        return
    notice(
        "Files are stored compressed, as the server sent them although the request forbids "
        "compression, and must be decompressed before use",
        f"{redact_href(candidate.href)} (`Content-Encoding: {encoding[:20]}`)",
    )


def _error(found: Contradiction, url: URL, answered_by: URL | None) -> TransferError:
    shown, content = redact_href(url), found.content
    is_redirected = answered_by is not None and answered_by.path != url.path
    if answered_by is not None and is_redirected and is_login(answered_by) and not is_login(url):
        return login_error(url, answered_by)
    if found.is_directory:
        return directory_error(shown, content.kind)
    code = f" ({content.code})" if content.code else ""
    why = f"{shown} cannot be used: the source sent {content.kind}{code} instead of the file"
    accept = "set `check_content=False` to accept this content"
    if content.kind is ContentKind.HTML and url.host:
        why += "; a login may be needed"
        return ContentError(f"{why}. Configure a credential for {url.host}, or {accept}.")
    return ContentError(f"{why}. Check the href, or {accept}.")


def needs_content(transfer: Transfer, size: int, config: Config) -> bool:
    """Return whether the first bytes of an existing file must be read.

    A large file of the declared size is taken for the asset.

    Args:
        transfer: The transfer.
        size: Size of the file in bytes.
        config: The configuration, for `check_content`.
    """
    return config.check_content and (transfer.size is None or size <= _ALWAYS_CHECKED)
