"""Fixtures of the tests on clusters."""

from __future__ import annotations

import pytest

from tests.support.server_logs import ServerLog


@pytest.fixture(scope="module")
def cluster_log(tmp_path_factory: pytest.TempPathFactory) -> ServerLog:
    """Output of all workers of a cluster. Tests announce expected errors."""
    return ServerLog(tmp_path_factory.mktemp("cluster") / "workers.log")
