"""Servers of credential providers, and an environment without other credentials."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.support.providers import Providers, run_providers


@pytest.fixture(scope="module")
def machine_without_credentials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the credentials of this machine, so that only blocks provide credentials."""
    empty = tmp_path_factory.mktemp("machine")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE"):
            patch.delenv(f"AWS_{name}", raising=False)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", str(empty / "config"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(empty / "credentials"))
        patch.delenv("EARTHDATA_PAT", raising=False)
        patch.setenv("NETRC", str(empty / "netrc"))
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def providers(
    machine_without_credentials: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Providers]:
    """Running servers of all providers, with a block for each that is not saved yet."""
    async with run_providers(tmp_path_factory.mktemp("providers")) as running:
        yield running
