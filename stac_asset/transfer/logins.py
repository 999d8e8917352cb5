"""Internal: recognizes the login pages of identity providers by their URL.

A data server without a session redirects to such a page. `HttpClient` and the content checks use
the table to name the login in errors.
"""

from __future__ import annotations

import re

from yarl import URL

from stac_asset.errors import LoginPageError
from stac_asset.redact import redact_href

_EARTHDATA = re.compile(r"(.+\.)?urs\.earthdata\.nasa\.gov", re.I)
_COPERNICUS = re.compile(r"identity\.(.+\.)?dataspace\.copernicus\.eu", re.I)
_LOGIN_HOST = re.compile(
    r"(login|signin|sso|cas|idp|accounts|identity|eoiam-idp|adfs|shibboleth|keycloak)\..+"
    r"|.+\.(okta|oktapreview|okta-emea|auth0|onelogin|b2clogin|amazoncognito)\.com"
    r"|login\.microsoftonline\.(com|us|de)|login\.live\.com|(secure\.)?login\.gov"
    r"|ers\.cr\.usgs\.gov",
    re.I,
)
"""Hosts of identity providers, and host names that are usual for them."""

_LOGIN_PATH = re.compile(
    r"/(login|log-in|log_in|logon|signin|sign-in|sign_in|sso|authorize|authenticate)"
    r"(\.\w+|/[^/]*)?/?$"
    r"|/openid-connect/auth|/oauth2?/(v[\d.]+/)?auth|/connect/authorize|/adfs/(ls|oauth2)"
    r"|/saml2?/|/idp/profile/|/shibboleth\.sso/|/realms/[^/]+/(protocol|login-actions)/"
    r"|/cas/|/auth/login|/wp-login",
    re.I,
)
"""Paths of login pages: OAuth2, OpenID Connect (Keycloak), SAML (Shibboleth), CAS, and forms."""

_EARTHDATA_ADVICE = (
    "Configure an Earthdata token (`earthdata_token`, `EARTHDATA_PAT` or a block) and add {host} "
    "to `earthdata_hosts` if the host is not in earthdata.nasa.gov or earthdatacloud.nasa.gov."
)
_COPERNICUS_ADVICE = (
    "Configure `oauth2_grant` with the token endpoint of the Copernicus Data Space, or an OAuth2 "
    "block, for {host}."
)
_USGS_ADVICE = (
    "Use the copy on S3 instead of {host}: `alternate_assets=['s3']` and `s3_requester_pays=True`."
)
_ADVICE = (
    "Configure a credential for {host}: an OAuth2 or HTTP block, `oauth2_grant` or `http_headers`."
)


def is_login(url: URL) -> bool:
    """Return whether a URL is that of a known login page.

    Args:
        url: The URL, usually the target of a redirect.
    """
    host = url.host or ""
    known = (_EARTHDATA, _COPERNICUS, _LOGIN_HOST)
    return any(pattern.fullmatch(host) for pattern in known) or bool(_LOGIN_PATH.search(url.path))


def login_error(requested: URL, login: URL) -> LoginPageError:
    """Return the error for a source that redirects to a login page.

    Args:
        requested: The URL of the file.
        login: The URL of the login page.
    """
    host = login.host or ""
    advice = _ADVICE
    if _EARTHDATA.fullmatch(host):
        advice = _EARTHDATA_ADVICE
    elif _COPERNICUS.fullmatch(host):
        advice = _COPERNICUS_ADVICE
    elif host.lower() == "ers.cr.usgs.gov":
        advice = _USGS_ADVICE
    return LoginPageError(
        f"{redact_href(requested)} cannot be read: a login is needed, because the server redirects "
        f"to the login page of {host}. {advice.format(host=requested.host)}"
    )
