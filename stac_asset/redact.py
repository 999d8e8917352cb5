"""Cuts from hrefs, and from texts that hold some, what may be a secret."""

import re
from urllib.parse import unquote

from yarl import URL

_HREF = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{0,20}://\S+")
_CLOSING = "'\")]}>,;:.!"
"""What may follow on an href in a sentence, and is taken for no part of it."""

_USER = re.compile(r"((?:^|:)//|^[a-zA-Z][a-zA-Z0-9+.-]+:/?(?!/))[^/]*@")
_AUTHORITY = re.compile(r"://(?!(\[[^/\]]*\]|[^/:]*)(:\d*)?(/|$))")
"""An authority that is none, such as that of `https://user:pass/word@host`."""

_LOCAL_QUERY = re.compile(r"([?#])[^/=]*=.*", re.DOTALL)

_SIGNING = re.compile(
    "|".join(
        (
            # Amazon's S3 and CloudFront, Google; Alibaba, Huawei and Tencent, who sign alike.
            r"x-(amz|goog|oss|obs|tos|bce|cos)-.*|(aws|oss|obs)?accesskeyid|googleaccessid",
            r"key-pair-id|policy|expires?|hash-algorithm",
            r"q-(ak|sign.*|key-time|header-list|url-param-list)",
            # Azure's shared access signatures:
            # https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
            r"s(ig|e|p|t|r|v|s|rt|ip|pr|koid|ktid|kt|ke|ks|kv|i|dd|aoid|uoid|cid|es)|sas",
            # Akamai, Cloudflare, and other networks of caches.
            r"hdn(ea|ts|tl)|hmac|verify|sgn|sign(ed)?",
            # Tokens, keys and logins under their usual names.
            r".*(token|secret|passw(or)?d|passphrase|signature|credential|jwt).*",
            r"(.*[_-])?key|(api|access|subscription|shared|account)key|pwd|connectid",
            r"auth.*|oauth.*|bearer|code|ticket|assertion|saml.*|j?session([_-]?id)?",
        )
    ),
    re.IGNORECASE,
)
"""The parameters that sign an href, or let in whoever has it.

Each is known to do so somewhere. What is missing here stays in hrefs that are kept; what is
needless may keep one from being found again.
"""


def redact_href(href: str | URL) -> str:
    """Returns an href that can be shown: without user, password, fragment and query values.

    A query may be a signature (S3, CloudFront, Azure SAS, API keys) under any name, so none is
    shown; `?…` says that there was one. In an absolute local path, `?` and `#` are characters of
    names, unless a `name=value` follows.

    Args:
        href: Any href: a URL or a local path.

    Returns:
        The href as it may stand in a message, a log or a report.
    """
    text = str(href)
    if "@" not in text and "?" not in text and "#" not in text:
        return text  # As are most, of the very many that there may be.
    if text.startswith("/") and not text.startswith("//") and "://" not in text:
        return _LOCAL_QUERY.sub(r"\1…", text)
    shown, query, _ = text.partition("#")[0].partition("?")
    shown = _USER.sub(r"\1", shown)
    malformed = _AUTHORITY.search(shown) if "@" in text else None
    if malformed:
        shown = f"{shown[: malformed.start()]}://***"
    return f"{shown}{'?…' if query else ''}"


def redact_text(text: str) -> str:
    """Returns a text, such as another library's error message, with every URL in it redacted.

    Args:
        text: Any text. A URL in it is taken to end where white space begins.
    """
    return _HREF.sub(_shown, text)


def unsigned_href(href: str) -> str:
    """Returns an href that can be kept: without user, password and what signs it.

    Unlike a redacted href, it can be requested again by whoever has a signature of their own. What
    signs is known by the names of parameters, in the query and in a fragment that is like one.

    Args:
        href: Any href.
    """
    scheme, separator, rest = href.partition("://")
    if not separator:
        return href
    rest, hash_mark, fragment = rest.partition("#")
    rest, question_mark, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    kept = f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"
    if "@" in href and _AUTHORITY.search(kept):
        return redact_href(href)  # A `?` in a password, say: nothing can be requested there.
    query, fragment = _unsigned(query), _unsigned(fragment)
    return f"{kept}{question_mark if query else ''}{query}{hash_mark if fragment else ''}{fragment}"


def _unsigned(query: str) -> str:
    names = ((field, unquote(field.partition("=")[0])) for field in query.split("&"))
    return "&".join(field for field, name in names if not _SIGNING.fullmatch(name))


def _shown(match: re.Match[str]) -> str:
    href = match.group().rstrip(_CLOSING)
    return redact_href(href) + match.group()[len(href) :]
