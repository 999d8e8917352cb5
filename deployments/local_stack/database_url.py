"""Internal: URLs of Prefect's database."""

from __future__ import annotations

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from stac_asset.errors import ConfigError

_DATABASES = {"postgresql+asyncpg", "sqlite+aiosqlite"}


def without_password(database: str | None) -> str:
    """Return the URL of a database without the password, or 'SQLite'.

    Args:
        database: The URL. None selects SQLite in the folder of the stack.

    Raises:
        ConfigError: Prefect does not support the database.
    """
    if database is None:
        return "SQLite"
    try:
        url = make_url(database)
    except (ArgumentError, ValueError):
        raise ConfigError(
            "DATABASE is not a database URL. Use postgresql+asyncpg://user:password@host:port/name."
        ) from None
    if url.drivername not in _DATABASES:
        raise ConfigError(
            f"DATABASE starts with '{url.drivername}', which Prefect does not support. Use "
            "postgresql+asyncpg://user:password@host:port/name."
        )
    return url.render_as_string(hide_password=True)
