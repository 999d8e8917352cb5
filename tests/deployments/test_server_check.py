"""The findings of `stac-asset doctor` about Prefect."""

from __future__ import annotations

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_stac_asset.deployments.server_check import prefect_findings


@pytest.mark.usefixtures("prefect_server")
def test_running_server_is_found_with_its_version() -> None:
    installed, server = prefect_findings()
    assert installed.text.startswith("Prefect 3.")
    assert server.level == "ok"
    assert str(PREFECT_API_URL.value()) in server.text


def test_server_that_does_not_answer_is_a_problem() -> None:
    with temporary_settings({PREFECT_API_URL: "http://user:secret@127.0.0.1:9/api"}):
        _, server = prefect_findings()
    assert server.level == "problem"
    assert "127.0.0.1:9" in server.text
    assert "secret" not in server.text
    assert server.cure == "Check `PREFECT_API_URL`."


def test_missing_server_is_a_note() -> None:
    with temporary_settings(restore_defaults=[PREFECT_API_URL]):
        _, server = prefect_findings()
    assert server.level == "note"
    assert "PREFECT_API_URL" in server.cure
