"""Conversion of errors of Prefect's API to short messages, for commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.settings import PREFECT_API_URL

from stac_asset.errors import ConfigError
from stac_asset.redact import redact_href


def configured_server() -> str:
    """Return the URL of the configured Prefect server, without secrets.

    Raises:
        ConfigError: PREFECT_API_URL is not set. Prefect's client would start a temporary server.
    """
    url = PREFECT_API_URL.value()
    if not url:
        raise ConfigError(
            "No Prefect server is configured. Set `PREFECT_API_URL`, for example to "
            "http://127.0.0.1:4200/api."
        )
    return redact_href(url)


@contextmanager
def map_prefect_errors() -> Iterator[None]:
    """Map errors of Prefect's client to a `ConfigError` with a short message.

    Raises:
        ConfigError: No server is configured, or Prefect's API is unreachable or returned an error.
    """
    configured_server()
    try:
        yield
        return
    except httpx.HTTPStatusError as error:
        answer = f"{error.response.status_code} {error.response.reason_phrase}".strip()
        reason = f"returned {answer}"
        is_refused = error.response.status_code in (401, 403)
    except httpx.HTTPError as error:
        reason, is_refused = f"is unreachable ({str(error) or type(error).__name__})", False
    except (json.JSONDecodeError, UnicodeDecodeError):
        reason, is_refused = "did not return JSON", False
    settings = " and `PREFECT_API_KEY` or `PREFECT_API_AUTH_STRING`" if is_refused else ""
    raise ConfigError(
        f"Prefect's API {redact_href(PREFECT_API_URL.value() or '')} {reason}. Check "
        f"`PREFECT_API_URL`{settings}."
    )
