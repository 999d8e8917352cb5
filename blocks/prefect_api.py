"""Says in one sentence why Prefect's API cannot be asked, for commands that ask it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.settings import PREFECT_API_URL

from stac_asset.errors import ConfigError
from stac_asset.redact import redact_href


@contextmanager
def asking_prefect() -> Iterator[None]:
    """Maps what Prefect's client raises.

    Raises:
        ConfigError: Prefect's API cannot be reached, or refuses.
    """
    try:
        yield
        return
    except httpx.HTTPStatusError as error:
        answer = f"{error.response.status_code} {error.response.reason_phrase}".strip()
        reason = f"answers {answer}"
        keys = error.response.status_code in (401, 403)
    except httpx.HTTPError as error:
        reason, keys = f"cannot be reached ({str(error) or type(error).__name__})", False
    except (json.JSONDecodeError, UnicodeDecodeError):
        reason, keys = "answers with no JSON", False
    settings = ", and PREFECT_API_KEY or PREFECT_API_AUTH_STRING" if keys else ""
    raise ConfigError(
        f"Prefect's API {redact_href(PREFECT_API_URL.value() or '')} {reason}: look at "
        f"PREFECT_API_URL{settings}"
    )
