"""Secrets are removed from hrefs and texts."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from stac_asset.errors import (
    HrefError,
)
from stac_asset.hrefs import absolute_href, parse_href
from stac_asset.redact import (
    quoted_list,
    redact_href,
    redact_text,
    redact_values,
    secret_parts,
    secrets_in_headers,
    unsigned_href,
)
from tests.support.strategies import (
    FRAGMENTS,
    characters,
    fuzz,
    texts,
)

SECRET = "pl4nt3d-s3cr3t"
QUERY = (
    f"X-Amz-Signature={SECRET}-amz&X-Amz-Credential={SECRET}-id&sig={SECRET}-sas"
    f"&Key-Pair-Id={SECRET}&Policy={SECRET}&token={SECRET}"
)

fragments = st.one_of(
    st.text(characters, max_size=10), st.lists(st.sampled_from(FRAGMENTS)).map("".join)
)

schemes = st.sampled_from(["http", "https", "s3", "ftp", "HTTPS", "x+y"])

paths = fragments.map(lambda text: "/" + text.translate(dict.fromkeys(map(ord, "?#"))))


@st.composite
def secret_hrefs(draw: Callable[[st.SearchStrategy[Any]], Any]) -> str:
    """Draw a URL with a secret in the user, password, query or fragment."""
    plain = draw(fragments).translate(dict.fromkeys(map(ord, "/?#")))
    password = draw(fragments).replace("@", "")
    base = draw(schemes) + "://"
    path, more = draw(paths), draw(fragments)
    return str(
        draw(
            st.sampled_from(
                [
                    f"{base}{plain}{SECRET}@host{path}",
                    f"{base}user:{plain}{SECRET}@host{path}",
                    f"{base}user:p{password}{SECRET}@host{path}",
                    f"{base}host{path}?{more}{SECRET}{more}",
                    f"{base}host{path}#{more}{SECRET}{more}",
                    f"{base}user:{SECRET}@host{path}?{SECRET}#{SECRET}",
                    f"/vsicurl/{base}user:{SECRET}@host{path}?{SECRET}",
                    f"https:user:{SECRET}@host{path}",
                    f"https:/user:{SECRET}@host{path}?{SECRET}",
                    f"//user:{SECRET}@host{path}?{SECRET}",
                    f"a.tif?{more}{SECRET}",
                    f"/a.tif?sig={SECRET}{more}",
                    f"/a.tif#token={more}{SECRET}",
                ]
            )
        )
    )


def error_of(call: Callable[[], object]) -> HrefError | None:
    """Return the error of a call, if the call fails."""
    try:
        call()
    except HrefError as error:
        return error
    return None


@fuzz(500)
@given(href=secret_hrefs())
@example(f"https://user:pa/ss{SECRET}@host/a.tif")
@example(f"https://user:pa?ss{SECRET}@host/a.tif")
def test_redacted_href_and_errors_contain_no_secret(href: str) -> None:
    assert SECRET in href
    redacted = redact_href(href)
    assert SECRET not in redacted
    assert redact_href(redacted) == redacted
    for base in (None, "https://host/item.json"):
        for call in (lambda: parse_href(href), lambda base=base: absolute_href(href, base)):
            assert SECRET not in str(error_of(call))


@fuzz(500)
@given(href=secret_hrefs(), before=st.text(characters), after=st.text(characters))
@example(f"https://host/x?a=(b)&sig={SECRET}", "see (", ")")
@example(f"https://host/x?a='b'&sig={SECRET}", "'", "'")
@example(f"https://user:{SECRET}@host/", "_", "")
def test_redacted_text_contains_no_secret(href: str, before: str, after: str) -> None:
    assume(re.match(r"(/vsicurl/)?[a-zA-Z+]+://\S+$", href))
    assume(SECRET not in before)
    assert SECRET not in redact_text(f"{before}{href} {after}")
    assert SECRET not in redact_text(f"{before} {href}\n{after}")


@fuzz(300)
@given(text=texts)
def test_text_without_urls_is_not_changed(text: str) -> None:
    assume("://" not in text)
    assert redact_text(text) == text


@pytest.mark.parametrize(
    ("href", "redacted"),
    [
        (f"https://user:{SECRET}@host/a.tif", "https://host/a.tif"),
        (f"https://host/a.tif?{QUERY}", "https://host/a.tif?…"),
        (f"https://host/a.tif#{SECRET}", "https://host/a.tif"),
        (f"https://host?{QUERY}", "https://host?…"),
        ("s3://bucket/a b.tif", "s3://bucket/a b.tif"),
        ("/local/a#b?c.tif", "/local/a#b?c.tif"),
    ],
)
def test_redacted_href_hides_user_query_and_fragment(href: str, redacted: str) -> None:
    assert redact_href(href) == redacted
    if " " not in href and "://" in href:
        assert redact_text(f"not found: '{href}', failed") == f"not found: '{redacted}', failed"


SIGNING_PARAMETERS = """
jwt hdnts hdnea hdntl sas sasToken __token__ token access_token accessToken bcdn_token
Policy Signature Key-Pair-Id Expires Hash-Algorithm X-Amz-Signature X-Amz-Security-Token x-amz-date
X%2DAmz%2DCredential X-Goog-Signature GoogleAccessId AWSAccessKeyId OSSAccessKeyId x-oss-signature
q-sign-algorithm q-ak q-signature sv se sp sr sig skoid sktid skt ske sks skv saoid scid ses st spr
verify hmac sign code apikey api_key maxar_api_key subscription-key connectId auth auth_key
oauth_signature session sessionid JSESSIONID client_secret password passwd SAMLResponse"""


_WITHOUT_SECRET = """
Policy Key-Pair-Id Expires Hash-Algorithm x-amz-date GoogleAccessId AWSAccessKeyId OSSAccessKeyId
q-sign-algorithm q-ak sv se sp sr skoid sktid skt ske sks skv saoid scid ses st spr"""


def test_secret_parts_are_the_names_of_secrets() -> None:
    without = _WITHOUT_SECRET.split()
    for name in SIGNING_PARAMETERS.split():
        shown = [] if name in without else [f"`{unquote(name)}`"]
        for href in (f"https://host/a?id=1&{name}={SECRET}", f"s3://b/a#{name}={SECRET}"):
            assert secret_parts(href) == shown
        assert secret_parts(f"/data/a.tif?{name}={SECRET}") == []
    for user in ("user", "user:x", "user:p/x", "user:p?x"):
        assert secret_parts(f"https://{user}@host/a.tif") == ["a user name or password"]
    for href in ("abfs://box@account.dfs.core.windows.net/a", "https://host/a@b", "file:///a@b"):
        assert secret_parts(href) == []


def test_unsigned_href_omits_signing_parameters() -> None:
    for name in SIGNING_PARAMETERS.split():
        href = f"https://user:{SECRET}@host/a.tif?id=1&{name}={SECRET}&page=2#{name}={SECRET}"
        assert unsigned_href(href) == "https://host/a.tif?id=1&page=2"


@pytest.mark.parametrize("name", ["id", "version", "bbox", "s", "monkey", "layers", "design"])
def test_unsigned_href_keeps_other_parameters(name: str) -> None:
    href = f"https://host/a.tif?{name}=1&x#{name}"
    assert unsigned_href(href) == href


def test_unsigned_href_redacts_malformed_authority() -> None:
    for separator in "?#":
        assert SECRET not in unsigned_href(f"https://user:{SECRET}{separator}x@host/a.tif")
        assert SECRET not in unsigned_href(f"https://user:x{separator}{SECRET}@host/a.tif")


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"(see https://host/a?sig={SECRET}).", "(see https://host/a?…)."),
        (f"<s3://bucket/a?{SECRET}>, https://b", "<s3://bucket/a?…>, https://b"),
        (f"a https://u:{SECRET}@h/x b https://h/y?{SECRET} c", "a https://h/x b https://h/y?… c"),
        ("no url", "no url"),
    ],
)
def test_redacted_text_keeps_words_and_punctuation(text: str, redacted: str) -> None:
    assert redact_text(text) == redacted


def test_redacted_href_hides_authority_with_slash_in_password() -> None:
    assert redact_href(f"https://user:pa/ss{SECRET}@host/a.tif") == "https://***"


def test_redacted_local_path_hides_parameters_only() -> None:
    assert redact_href(f"/data/a.tif?sig={SECRET}") == "/data/a.tif?…"
    assert redact_href("/data/a#1?.tif") == "/data/a#1?.tif"


def test_unsigned_href_keeps_local_path() -> None:
    assert unsigned_href("/data/a.tif?sig=1") == "/data/a.tif?sig=1"


ECHOED = 'p4ss/w"örd&'


@pytest.mark.parametrize(
    "form",
    [
        ECHOED,
        "p4ss%2Fw%22%C3%B6rd%26",
        'p4ss/w\\"\\u00f6rd&',
        "p4ss/w&quot;örd&amp;",
        base64.b64encode(ECHOED.encode()).decode(),
    ],
)
def test_secret_that_a_server_repeats_is_removed(form: str) -> None:
    assert redact_values(f"token {form} is wrong", [ECHOED, "", "is"]) == "token *** is wrong"


def test_secrets_in_headers_include_tokens_logins_and_cookies() -> None:
    login = base64.b64encode(b"user:p4ssword").decode()
    headers = {
        "Host": "example.com",
        "User-Agent": "stac-asset",
        "Authorization": f"Basic {login}",
        "X-Api-Key": "k3y",
        "Cookie": "a=v4lue; b=w",
    }
    secrets = secrets_in_headers(headers)
    assert {"user", "p4ssword", login, "k3y", "v4lue"} <= secrets
    assert not {"example.com", "stac-asset"} & secrets


@pytest.mark.parametrize(
    "href",
    [
        "https://example.com/" + "a" * 500,
        "s3://bucket/" + "é" * 500,
        "/data/" + "a" * 500,
        "https://example.com/" + "a" * 500 + "?sig=1",
        "data:image/png;base64," + "A" * 4_000_000,
        "data:" + "x" * 4_000_000,
        "unknown:" + "x" * 500,
    ],
)
def test_shown_href_is_cut_at_200_characters(href: str) -> None:
    shown = redact_href(href)
    assert len(shown) <= 200
    assert shown.endswith("…")
    assert redact_href(shown) == shown
    assert len(redact_text(f"cannot read {href} now")) < 230 or "://" not in href


def test_text_does_not_quote_data() -> None:
    text = redact_text("InvalidURL: data:image/png;base64,AAAA is too long")
    assert text == "InvalidURL: data:image/png;base64,… is too long"


def test_unsigned_href_is_not_cut() -> None:
    href = "https://example.com/" + "a" * 500
    assert unsigned_href(f"{href}?X-Amz-Signature=1") == href


def test_list_of_texts_is_cut() -> None:
    assert quoted_list(iter("abc"), 3, 10) == "'a', 'b', 'c'"
    assert quoted_list([], 3, 10) == ""
    assert quoted_list(["x" * 20] * 1234, 2, 4) == "'xxx…', 'xxx…' and 1,232 more"
