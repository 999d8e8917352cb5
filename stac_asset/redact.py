"""Cuts from hrefs, and from texts that hold some, what may be a secret."""

import re

from yarl import URL

_HREF = re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'\"<>)\]}]+")

# S3, CloudFront, Azure SAS, Google, and API keys under their usual names.
_SIGNING = re.compile(
    r"x-(amz|goog)-.*|awsaccesskeyid|key-pair-id|policy|signature|expires|googleaccessid"
    r"|s(ig|e|p|t|r|v|s|rt|ip|pr|koid|ktid|kt|ke|ks|kv|i|dd)|(.*[_-])?(token|key|secret|password)"
    r"|apikey|code|auth.*",
    re.IGNORECASE,
)


def redact_href(href: str | URL) -> str:
    """Returns an href that can be shown: without user, password, fragment and query values.

    A query may be a signature (S3, CloudFront, Azure SAS, API keys) under any name, so none is
    shown; `?…` says that there was one.

    Args:
        href: Any href: a URL or a local path.

    Returns:
        The href as it may stand in a message, a log or a report.
    """
    text = str(href)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text
    rest, _, _ = rest.partition("#")
    rest, query, _ = rest.partition("?")
    authority, slash, path = rest.partition("/")
    authority = authority.rpartition("@")[2]
    return f"{scheme}://{authority}{slash}{path}{'?…' if query else ''}"


def redact_text(text: str) -> str:
    """Returns a text, such as another library's error message, with every URL in it redacted."""
    return _HREF.sub(lambda match: redact_href(match.group()), text)


def unsigned_href(href: str) -> str:
    """Returns an href that can be kept: without user, password and what signs it.

    Unlike a redacted href, it can be requested again by whoever has a signature of their own.

    Args:
        href: Any href.
    """
    scheme, separator, rest = href.partition("://")
    if not separator:
        return href
    rest, hash_mark, fragment = rest.partition("#")
    rest, question_mark, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    kept = "&".join(
        field for field in query.split("&") if not _SIGNING.fullmatch(field.partition("=")[0])
    )
    return (
        f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"
        f"{question_mark if kept else ''}{kept}{hash_mark}{fragment}"
    )
