"""Checks which credentials are found for each provider. Secrets are neither sent nor shown."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from yarl import URL

from stac_asset.cli.doctor.findings import Finding, Level
from stac_asset.clients.earthdata.login import LOGIN_URL, netrc_login
from stac_asset.clients.s3.access import is_unsigned_environment
from stac_asset.clients.s3.client import S3Client
from stac_asset.config import Config
from stac_asset.errors import StacAssetError

_LOGIN_HOST = URL(LOGIN_URL).host or ""
_SEARCHED = "the environment, ~/.aws and the machine"


async def credential_findings(config: Config) -> AsyncIterator[Finding]:
    """Return the credentials that downloads would use.

    Args:
        config: The configuration.
    """
    yield await _s3_finding(config)
    yield _earthdata_finding(config)
    key = config.pc_subscription_key
    yield Finding(
        "Planetary Computer",
        Level.OK if key else Level.NOTE,
        "A subscription key is set." if key else "No subscription key. Downloads work without.",
        "" if key else "Set `pc_subscription_key` if the token service answers 429.",
    )
    if config.oauth2_grant:
        yield Finding("OAuth2", Level.OK, f"The grant `{config.oauth2_grant}` is configured.")
    else:
        yield Finding(
            "OAuth2",
            Level.NOTE,
            "No grant is configured.",
            "Set `oauth2_grant` and its fields for the Copernicus Data Space over HTTPS.",
        )


async def _s3_finding(config: Config) -> Finding:
    if config.s3_unsigned or is_unsigned_environment():
        return Finding(
            "S3",
            Level.NOTE,
            "Requests are sent without credentials. Private buckets refuse them.",
            "Unset AWS_NO_SIGN_REQUEST and `s3_unsigned` for private buckets.",
        )
    client = await S3Client.from_config(config)
    try:
        credentials = await client.session.get_credentials()
    except Exception as error:  # botocore raises many kinds for incomplete files.
        return Finding(
            "S3",
            Level.PROBLEM,
            f"The search for credentials failed: {type(error).__name__}.",
            "Correct the AWS configuration files and variables.",
        )
    finally:
        await client.close()
    if credentials is None:
        return Finding(
            "S3",
            Level.NOTE,
            f"No credentials in {_SEARCHED}. Public buckets can be read.",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile, for private buckets.",
        )
    return Finding("S3", Level.OK, f"Credentials are found: {credentials.method}.")


def _earthdata_finding(config: Config) -> Finding:
    if config.earthdata_token or os.environ.get("EARTHDATA_PAT"):
        return Finding("NASA Earthdata", Level.OK, "A token is set.")
    try:
        login = netrc_login(_LOGIN_HOST)
    except StacAssetError as error:
        return Finding("NASA Earthdata", Level.PROBLEM, str(error), "Correct the file.")
    if login is not None:
        return Finding("NASA Earthdata", Level.OK, f".netrc has a login for {_LOGIN_HOST}.")
    return Finding(
        "NASA Earthdata",
        Level.NOTE,
        "Neither a token nor a login is found.",
        f"Set EARTHDATA_PAT, or add a login for {_LOGIN_HOST} to .netrc.",
    )
