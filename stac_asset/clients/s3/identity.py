"""Who signs requests to S3, where that is not left to what botocore finds by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from yarl import URL

from stac_asset.errors import ConfigError

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

_SESSION_NAME = "stac-asset"


@dataclass(frozen=True, slots=True)
class S3Identity:
    """Keys or a profile, and a role to assume with them.

    Without keys, botocore looks for credentials where it always does: in the profile, the
    environment, the machine.

    Raises:
        ConfigError: It contradicts itself.
    """

    access_key_id: str | None = field(default=None, repr=False)
    """The id of an access key."""

    secret_access_key: str | None = field(default=None, repr=False)
    """The secret of that access key."""

    session_token: str | None = field(default=None, repr=False)
    """The session token, where the access key is a temporary one."""

    profile_name: str | None = None
    """A profile of the AWS configuration files."""

    role_arn: str | None = None
    """The role to assume; it is assumed again before its credentials expire."""

    external_id: str | None = field(default=None, repr=False)
    """What the role's owner wants to hear, if anything."""

    role_options: dict[str, Any] = field(default_factory=dict, repr=False)
    """Further arguments of `AssumeRole`, such as `DurationSeconds`."""

    sts_endpoint_url: str | None = None
    """Where roles are assumed, if not at AWS."""

    def __post_init__(self) -> None:
        if bool(self.access_key_id) != bool(self.secret_access_key):
            raise ConfigError("an S3 access key has an id and a secret: give both, or neither")
        if self.session_token and not self.access_key_id:
            raise ConfigError("an S3 session token belongs to an access key: give that too")
        if self.external_id and not self.role_arn:
            raise ConfigError("an external id is for a role to assume: give role_arn too")

    def session(self, region_name: str) -> AioSession:
        """Returns a botocore session whose requests this identity signs.

        Args:
            region_name: The region where a role is assumed.
        """
        from aiobotocore.session import AioSession

        session = AioSession(profile=self.profile_name)
        if self.access_key_id and self.secret_access_key:
            session.set_credentials(self.access_key_id, self.secret_access_key, self.session_token)
        if self.role_arn:
            # Of its own session's credentials, the role's are made.
            resolver: Any = _Assumed(self, session, region_name)
            session = AioSession(profile=self.profile_name)
            session.register_component("credential_provider", resolver)
        return session


class _Assumed:
    """What botocore takes for a chain of places where credentials may be: there is but one."""

    def __init__(self, identity: S3Identity, source: AioSession, region_name: str) -> None:
        self._identity = identity
        self._source = source
        self._region = region_name

    async def load_credentials(self) -> Any:
        """Returns the role's credentials, which are asked for when they are first used."""
        from aiobotocore.credentials import (
            AioAssumeRoleCredentialFetcher,
            AioDeferredRefreshableCredentials,
        )

        found = await self._source.get_credentials()
        if found is None:
            return None
        identity = self._identity
        options = {"RoleSessionName": _SESSION_NAME, **identity.role_options}
        if identity.external_id:
            options["ExternalId"] = identity.external_id
        creator: Any = partial(
            self._source.create_client,
            region_name=self._region,
            endpoint_url=identity.sts_endpoint_url,
        )
        fetcher = AioAssumeRoleCredentialFetcher(
            creator, found, identity.role_arn or "", extra_args=options
        )
        return AioDeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket, or what lies below a prefix in it: a part of S3 that something is for."""

    bucket: str
    prefix: str
    """Ends with a slash, or is empty."""

    @classmethod
    def parse(cls, text: str) -> S3Place:
        """Returns the place that a text stands for.

        Args:
            text: `bucket` or `bucket/prefix`, with `s3://` before it or not.

        Raises:
            ConfigError: It names no bucket.
        """
        bucket, _, prefix = text.removeprefix("s3://").partition("/")
        if not bucket or any(character in bucket for character in ":*?@ "):
            raise ConfigError(f"'{text}' names no bucket: use bucket or bucket/prefix")
        return cls(bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else "")

    def __contains__(self, url: URL) -> bool:
        return (
            url.scheme == "s3"
            and url.raw_host == self.bucket
            and f"{unquote(str(url).partition('://')[2].partition('/')[2])}/".startswith(
                self.prefix
            )
        )
