"""Decides which request follows a redirect of a search.

A search must keep its criteria. A redirected POST request is therefore repeated as POST or refused,
and never becomes a GET request without a body, as in browsers.
"""

from __future__ import annotations

from dataclasses import replace

from stac_asset.errors import HrefError, ResponseError
from stac_asset.hrefs import absolute_href, is_same_resource, origin_of, parse_href
from stac_asset.redact import redact_href
from stac_asset.stac.api_request import ApiRequest

_KEEP_METHOD = (307, 308)
"""Redirects that keep the method and the body.

Source: https://www.rfc-editor.org/rfc/rfc9110#section-15.4"""


def redirected(request: ApiRequest, status: int, reason: str, location: str) -> ApiRequest:
    """Return the request that follows a redirect.

    Args:
        request: The redirected request.
        status: HTTP status of the redirect.
        reason: Reason phrase of the redirect.
        location: Value of the header `Location`.

    Raises:
        ResponseError: The redirected request would not be the same search.
    """
    try:
        target = absolute_href(location.strip(), request.href)
        before, after = parse_href(request.href), parse_href(target)
    except HrefError as error:
        raise _refusal(request, status, reason, f"redirected to an invalid address: {error}") from (
            None
        )
    if after.scheme not in ("http", "https"):
        raise _refusal(request, status, reason, "redirected to an address that is not HTTP")
    is_same = is_same_resource(before, after)
    is_same_origin = origin_of(before) == origin_of(after)
    shown = redact_href(target)
    if request.method == "GET":
        lost = set(before.query) - set(after.query)
        if lost and is_same:
            target = f"{target.partition('?')[0]}?{before.raw_query_string}"
        elif lost:
            raise _refusal(
                request,
                status,
                reason,
                f"redirected to '{shown}' without the parameter '{min(lost)}' of the search. Set "
                "`source` to the new address of the API.",
            )
        return replace(request, href=target, headers=request.headers if is_same_origin else {})
    if not is_same and not (is_same_origin and status in _KEEP_METHOD):
        raise _refusal(
            request,
            status,
            reason,
            f"the search was redirected to '{shown}', which is another address. Set `source` to "
            "the new address of the API.",
        )
    if before.raw_query_string and not after.raw_query_string:
        target = f"{target}?{before.raw_query_string}"
    return replace(request, href=target)


def _refusal(request: ApiRequest, status: int, reason: str, hint: str) -> ResponseError:
    return ResponseError.of(status, reason, request.href, None, hint)
