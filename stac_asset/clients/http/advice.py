"""Internal: advice for responses without the file, by status and host.

The advice becomes a part of the error, after the status and the href. Values of the server or of
the href, such as an error code, are shown only in their usual form.

Limits of the Copernicus Data Space: https://documentation.dataspace.copernicus.eu/Quotas.html.
Codes of Azure: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from yarl import URL

from stac_asset.clients.http import headers
from stac_asset.transfer.declared_format import names_directory

_COPERNICUS = re.compile(r"(.+\.)?dataspace\.copernicus\.eu", re.I)
_USGS = re.compile(r"(.+\.)?usgs\.gov", re.I)
_AMAZON = re.compile(r"(.+\.)?s3[a-z0-9.-]*\.amazonaws\.com", re.I)
_REGION = re.compile(r"[a-z]{2}(-[a-z]+){1,3}-\d")
_AZURE_CODE = re.compile(r"[A-Z][A-Za-z]{1,60}")

_SIGNATURES = frozenset({"X-Amz-Signature", "X-Goog-Signature", "Signature", "sig"})
"""Names of query parameters with the signature of an href."""

_COPERNICUS_ADVICE = {
    401: "the access token is missing or was refused. Configure `oauth2_grant` with the token "
    "endpoint of the Copernicus Data Space, or an OAuth2 block",
    403: "the token was refused, or the Copernicus account may not read this product. Check the "
    "account and its quota at https://dataspace.copernicus.eu",
    429: "the connections, the requests or the monthly transfer of the Copernicus account are used "
    "up. Stop other downloads with this account, or start the run again later",
}


def status_advice(
    status: int, requested: URL, answered: URL, response_headers: Mapping[str, str]
) -> str:
    """Return advice for a status without the file, or an empty text.

    Args:
        status: The status of the response.
        requested: The URL of the file.
        answered: The URL of the response, after all redirects and with a signature.
        response_headers: The headers of the response, with names in any case.
    """
    if status < 300:
        return headers.hint_without_file(status)
    host = answered.host or ""
    if status == 429:
        if _COPERNICUS.fullmatch(host):
            return _COPERNICUS_ADVICE[429]
        return (
            f"{host} limits the requests. Lower `max_connections_per_host`, or start the run again "
            "later"
        )
    if status in (301, 307) and _AMAZON.fullmatch(host):
        return _other_region(response_headers)
    if status in (403, 404) and names_directory(requested):
        return "the href may be that of a directory, which cannot be downloaded as a file"
    if response_headers.get("x-ms-error-code") == "PublicAccessNotPermitted":
        return "the container is not public. Configure an Azure credential"
    if status in (401, 403):
        return _access_advice(status, requested, answered, response_headers)
    return ""


def signature_end(url: URL) -> datetime | None:
    """Return the time at which the signature of an href expires, if the href declares the time.

    Args:
        url: The URL with the signature.
    """
    query = url.query
    try:
        if "se" in query and "sig" in query:
            end = datetime.fromisoformat(query["se"])
        elif "X-Amz-Date" in query:
            start = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
            end = start + timedelta(seconds=int(query["X-Amz-Expires"]))
        elif "Signature" in query:
            end = datetime.fromtimestamp(int(query["Expires"]), UTC)
        else:
            return None
    except (KeyError, ValueError, OverflowError, OSError):
        return None
    return end if end.tzinfo is not None else end.replace(tzinfo=UTC)


def _access_advice(
    status: int, requested: URL, answered: URL, response_headers: Mapping[str, str]
) -> str:
    host = answered.host or ""
    code = response_headers.get("x-ms-error-code", "")
    shown = f" ({code})" if _AZURE_CODE.fullmatch(code) else ""
    if _SIGNATURES & requested.query.keys():
        end = signature_end(requested)
        if end is not None and end < datetime.now(UTC):
            when = f"expired on {end:%Y-%m-%d at %H:%M} UTC"
        else:
            when = "was refused, and may have expired"
        return f"the signature in the href {when}{shown}. Read the item again for a new href"
    if _SIGNATURES & answered.query.keys():
        return f"{host} refused the signature that the run received{shown}. Start the run again"
    if _COPERNICUS.fullmatch(host):
        return _COPERNICUS_ADVICE[status]
    if _USGS.fullmatch(host):
        return (
            "USGS requires a login for this file. Use the copy on S3: `alternate_assets=['s3']` "
            "and `s3_requester_pays=True`"
        )
    if _AMAZON.fullmatch(host):
        return (
            "the bucket denies requests without a signature, or the object does not exist. Use an "
            "s3:// href, for example with `alternate_assets=['s3']`, and AWS credentials"
        )
    host = requested.host_port_subcomponent or ""
    if requested.scheme == "http":
        host = str(requested.origin())  # Hosts without a scheme are for https only.
    redirected = ""
    if answered.origin() != requested.origin():
        redirected = f"the server redirected to {answered.host_port_subcomponent}, which refused; "
    if status == 401:
        return (
            f"{redirected}configure a credential for {host}, or renew it: an HTTP or OAuth2 block, "
            "`oauth2_grant` or `http_headers`"
        )
    advice = f"configure a credential for {host}, or check that the account may read the file"
    return redirected + advice


def _other_region(response_headers: Mapping[str, str]) -> str:
    region = response_headers.get("x-amz-bucket-region", "")
    shown = f" {region}" if _REGION.fullmatch(region) else ""
    return f"the bucket is in another region{shown}. Correct the host of the href, or use s3://"
