"""Internal: remove secrets from hrefs, and from texts that contain hrefs.

`redact_href` and `redact_text` are for messages, logs and reports. `redact_values` is for texts of
servers, which may repeat what the client sent. `unsigned_href` is for hrefs in documents, which
must still identify the file. `secret_parts` is for values that are stored as they are.
"""

import base64
import html
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from urllib.parse import quote, quote_plus, unquote

from yarl import URL

MAX_SHOWN = 200
"""Maximum length of an href in messages, logs and reports, in characters."""

_HREF = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{0,20}://\S+|\bdata:[^\s,]{0,200},\S+")
_PUNCTUATION = "'\")]}>,;:.!"
"""Punctuation after an href in a sentence, which is not part of the href."""

_USER = re.compile(r"((?:^|:)//|^[a-zA-Z][a-zA-Z0-9+.-]+:/?(?!/))[^/]*@")
"""User and password of a URL, after a group that stays in the redacted href."""

_CONTAINER = re.compile(
    r"(abfss?://)([a-z0-9$-]{3,63}@)(?=[a-z0-9]{3,24}\.(?:dfs|blob)\.core\.)", re.I
)
"""The container in the URL of an Azure container, which has the place of a user."""

_MALFORMED_AUTHORITY = re.compile(r"://(?!(\[[^/\]]*\]|[^/:]*)(:\d*)?(/|$))")
"""A malformed authority, such as that of `https://user:pass/word@host`."""

_LOCAL_QUERY = re.compile(r"([?#])[^/=]*=.*", re.DOTALL)
"""A query or fragment of the form `name=value` after a local path."""

_SECRET_NAMES = "|".join(
    (
        r".*(token|secret|passw(or)?d|passphrase|signature|credential|jwt).*",
        r"(.*[_-])?key|(api|access|subscription|shared|account)key|pwd|connectid",
        r"sig|sas|hdn(ea|ts|tl)|hmac|verify|sgn|sign(ed)?",
        r"auth|auth[_-].*|authorization|oauth.*|bearer|code|ticket|assertion|saml.*",
        r"j?session([_-]?id)?",
    )
)
"""Pattern of the names of query parameters with a secret value."""

_SIGNING = re.compile(
    "|".join(
        (
            _SECRET_NAMES,
            # Amazon S3 and CloudFront, Google, and similar names of Alibaba, Huawei and Tencent.
            r"x-(amz|goog|oss|obs|tos|bce|cos)-.*|(aws|oss|obs)?accesskeyid|googleaccessid",
            r"key-pair-id|policy|expires?|hash-algorithm",
            r"q-(ak|sign.*|key-time|header-list|url-param-list)",
            # Azure shared access signatures:
            # https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
            r"s(e|p|t|r|v|s|rt|ip|pr|koid|ktid|kt|ke|ks|kv|i|dd|aoid|uoid|cid|es)",
            r"auth.*",
        )
    ),
    re.IGNORECASE,
)
"""Names of query parameters that contain a signature or a credential.

Each name is used by a known service. Parameters that are missing from this list stay in written
documents. An unnecessary name in this list may make hrefs unusable.
"""

_SECRET_NAME = re.compile(_SECRET_NAMES, re.IGNORECASE)

_MIN_SECRET = 4
"""Minimum length of a secret, in characters. Shorter texts may be part of any word."""

_MISSPELT_LOGIN = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+:/?|//)[^/:]*:[^/]*@")
"""User and password of a URL with a slash too few, such as `s3:/key:secret@bucket`."""

_SWITCHES = frozenset({"true", "false"})
"""Values of query parameters that are no secrets, such as in `?signed=true`."""

_HEADERS_WITHOUT_SECRETS = frozenset(
    {
        *("accept", "accept-encoding", "accept-language", "cache-control", "connection"),
        *("content-length", "content-type", "host", "if-match", "if-range", "range"),
        *("transfer-encoding", "user-agent"),
    }
)


def redact_href(href: str | URL) -> str:
    """Return an href without user, password, fragment and query, cut at 200 characters.

    Any query parameter may be a signature (S3, CloudFront, Azure SAS, API keys), so the whole query
    is replaced by `?…`. In an absolute local path, `?` and `#` are part of the file name, unless
    `name=value` follows. The data of a `data:` URL is replaced by `…`.

    Args:
        href: Any href: a URL or a local path.

    Returns:
        An href that is safe in messages, logs and reports.
    """
    text = str(href)
    if text[:5].lower() == "data:":
        text = f"{text[: MAX_SHOWN + 1].partition(',')[0]},…"
    elif "@" in text or "?" in text or "#" in text:  # Most hrefs contain none of them.
        text = _redacted(text)
    return shortened(text, MAX_SHOWN)


def shortened(text: str, length: int) -> str:
    """Return a text with at most a number of characters. A cut text ends with `…`.

    Args:
        text: Any text.
        length: Maximum number of characters, at least 1.
    """
    return text if len(text) <= length else f"{text[: length - 1]}…"


def quoted_list(texts: Iterable[str], count: int, length: int) -> str:
    """Return texts in quotes, separated by commas, such as `'red', 'nir' and 3 more`.

    Args:
        texts: The texts.
        count: Maximum number of texts.
        length: Maximum number of characters of each text.
    """
    texts = list(texts)
    shown = ", ".join(f"'{shortened(text, length)}'" for text in texts[:count])
    more = len(texts) - count
    return f"{shown} and {more:,} more" if more > 0 else shown


def _redacted(text: str) -> str:
    """Return an href without user, password, fragment and query, of any length."""
    if text.startswith("/") and not text.startswith("//") and "://" not in text:
        return _LOCAL_QUERY.sub(r"\1…", text)
    if found := _CONTAINER.match(text):
        return found[0] + _redacted(found[1] + text[found.end() :]).removeprefix(found[1])
    redacted, query, _ = text.partition("#")[0].partition("?")
    redacted = _USER.sub(r"\1", redacted)
    malformed = _MALFORMED_AUTHORITY.search(redacted) if "@" in text else None
    if malformed:
        redacted = f"{redacted[: malformed.start()]}://***"
    return f"{redacted}{'?…' if query else ''}"


def redact_text(text: str) -> str:
    """Return a text, such as an error message of another library, with all URLs redacted.

    Args:
        text: Any text. A URL ends at the next white space.
    """
    return _HREF.sub(_redact_match, text)


def redact_values(text: str, secrets: Iterable[str]) -> str:
    """Return a text of a server without the secrets that the client sent to the server.

    Args:
        text: The text, such as a reason phrase or an error message.
        secrets: The secrets. Texts with fewer than four characters are ignored, because they may
            be part of any word.
    """
    forms = set()
    for secret in secrets:
        if len(secret) >= _MIN_SECRET:
            forms |= {secret, quote(secret, safe=""), quote_plus(secret)}
            forms |= {json.dumps(secret)[1:-1], html.escape(secret)}
            forms.add(base64.b64encode(secret.encode(errors="replace")).decode())
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def secrets_in_headers(headers: Mapping[str, str]) -> set[str]:
    """Return the secrets in the headers of a request: tokens, logins, keys and cookies.

    Args:
        headers: The headers. Headers without secrets are recognized by their names.
    """
    found = set()
    for name, value in headers.items():
        if name.lower() in _HEADERS_WITHOUT_SECRETS:
            continue
        scheme, _, rest = value.strip().partition(" ")
        found |= {value, rest}
        if name.lower() == "cookie":
            found |= {cookie.partition("=")[2].strip() for cookie in value.split(";")}
        if scheme.lower() == "basic":
            with suppress(ValueError):
                login = base64.b64decode(rest, validate=True).decode()
                found |= {login, *login.split(":", 1)}
    return found


def unsigned_href(href: str) -> str:
    """Return an href without user, password and signature, for documents.

    Unlike a redacted href, the result can be requested again with another signature. Signatures are
    recognized by the names of their parameters, in the query and in a fragment of the same form.

    Args:
        href: Any href.
    """
    scheme, separator, rest = href.partition("://")
    if not separator or not ("@" in href or "?" in href or "#" in href):
        return href
    if found := _CONTAINER.match(href):
        return found[0] + unsigned_href(found[1] + href[found.end() :]).removeprefix(found[1])
    rest, hash_mark, fragment = rest.partition("#")
    rest, question_mark, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    kept = f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"
    if "@" in href and _MALFORMED_AUTHORITY.search(kept):
        return _redacted(href)  # For example a `?` in the password: not a valid URL.
    query, fragment = _unsigned(query), _unsigned(fragment)
    return f"{kept}{question_mark if query else ''}{query}{hash_mark if fragment else ''}{fragment}"


def secret_parts(href: str) -> list[str]:
    """Return the parts of a URL that contain a secret, such as ``["`sig`"]``, for messages.

    Args:
        href: A URL. Other texts, such as local paths, have no such parts.
    """
    href = href.strip()
    scheme, separator, rest = href.partition("://")
    if not separator or not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9+.-]*", scheme):
        return ["a user name or password"] if _MISSPELT_LOGIN.match(href) else []
    if found := _CONTAINER.match(href):
        rest = href[found.end() :]
    path, _, fragment = rest.partition("#")
    path, _, query = path.partition("?")
    authority = path.partition("/")[0]
    is_malformed = "@" in rest and _MALFORMED_AUTHORITY.search(f"://{authority}")
    parts = ["a user name or password"] if "@" in authority or is_malformed else []
    for field in re.split("[&;]", f"{query}&{fragment}"):
        name, value = map(unquote, field.partition("=")[::2])
        is_long = len(value) >= _MIN_SECRET and value.lower() not in _SWITCHES
        if (is_long and _SECRET_NAME.fullmatch(name)) or _USER.search(value):
            parts.append(f"`{shortened(name, 40)}`")
    return parts


def _unsigned(query: str) -> str:
    names = ((field, unquote(field.partition("=")[0])) for field in query.split("&"))
    return "&".join(field for field, name in names if not _SIGNING.fullmatch(name))


def _redact_match(match: re.Match[str]) -> str:
    href = match.group().rstrip(_PUNCTUATION)
    return redact_href(href) + match.group()[len(href) :]
