"""Selection of the `prefect.yaml` that a command reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefect_stac_asset.deployments.deployment_file import chosen_file
from prefect_stac_asset.deployments.prefect_yaml import FILE
from stac_asset.errors import ConfigError


def test_given_file_precedes_remembered_own_and_packaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert chosen_file(None) == FILE
    (tmp_path / "prefect.yaml").touch()
    assert chosen_file(None) == tmp_path / "prefect.yaml"
    (tmp_path / "mine.yaml").touch()
    assert chosen_file(None, tmp_path / "mine.yaml") == tmp_path / "mine.yaml"
    assert chosen_file(Path("other.yaml"), tmp_path / "mine.yaml") == tmp_path / "other.yaml"


def test_missing_file_of_the_last_up_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml' of the last `up` does not exist"):
        chosen_file(None, tmp_path / "mine.yaml")
