"""The configuration as a pydantic settings model."""

from __future__ import annotations

from stac_asset.config import Config
from stac_asset.environment import EnvironmentFields


class Settings(EnvironmentFields):
    """The fields of `Config`, read from the environment and `.env` when an instance is created.

    `stac_asset.environment` documents the order of precedence. Use `load`, which raises
    `ConfigError` for invalid values.
    """

    def config(self) -> Config:
        """Return the settings as a `Config`, which is not validated yet."""
        return Config(**self.values())
