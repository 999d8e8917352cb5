"""AWS identities that sign S3 requests, and patterns of buckets that a client claims.

`S3Client` uses an `S3Identity` in place of botocore's default search for credentials.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from yarl import URL

from stac_asset.clients.s3.botocore_clients import use_environment
from stac_asset.clients.s3.objects import key_of
from stac_asset.errors import ConfigError

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

_ROLE_SESSION_NAME = "stac-asset"


@dataclass(frozen=True, slots=True)
class S3Identity:
    """AWS access key or profile, and optionally a role to assume.

    Without an access key, botocore searches for credentials as usual: in the profile, the
    environment and the metadata of the machine.

    Raises:
        ConfigError: The fields are contradictory.
    """

    access_key_id: str | None = field(default=None, repr=False)
    """The id of an access key."""

    secret_access_key: str | None = field(default=None, repr=False)
    """The secret of that access key."""

    session_token: str | None = field(default=None, repr=False)
    """The session token of a temporary access key."""

    profile_name: str | None = None
    """A profile of the AWS configuration files."""

    role_arn: str | None = None
    """ARN of the role to assume. The role is assumed again before the credentials expire."""

    external_id: str | None = field(default=None, repr=False)
    """External ID required by the role's trust policy, if any."""

    role_options: dict[str, Any] = field(default_factory=dict, repr=False)
    """Further arguments of `AssumeRole`, such as `DurationSeconds`."""

    sts_endpoint_url: str | None = None
    """URL of the STS service that issues the role's credentials, if not AWS."""

    def __post_init__(self) -> None:
        if bool(self.access_key_id) != bool(self.secret_access_key):
            raise ConfigError(
                "The S3 access key is incomplete. Set both `access_key_id` and "
                "`secret_access_key`, or neither."
            )
        if self.session_token and not self.access_key_id:
            raise ConfigError(
                "The S3 session token has no access key. Set `access_key_id` and "
                "`secret_access_key` too."
            )
        if self.external_id and not self.role_arn:
            raise ConfigError("The external ID has no role. Set `role_arn` too.")

    @property
    def is_default(self) -> bool:
        """Whether botocore searches for credentials, without a key, a profile or a role."""
        return not (self.access_key_id or self.profile_name or self.role_arn)

    def session(self, region_name: str) -> AioSession:
        """Return a botocore session that signs requests with this identity.

        Args:
            region_name: The region of the STS service that issues the role's credentials.
        """
        from aiobotocore.session import AioSession

        session = AioSession(profile=self.profile_name)
        use_environment(session)
        if self.access_key_id and self.secret_access_key:
            session.set_credentials(self.access_key_id, self.secret_access_key, self.session_token)
        if self.role_arn:
            # The credentials of the first session are used to assume the role.
            resolver: Any = _AssumedRole(self, session, region_name)
            session = AioSession(profile=self.profile_name)
            use_environment(session)
            session.register_component("credential_provider", resolver)
        return session


class _AssumedRole:
    """Credential resolver for botocore that returns the credentials of an assumed role."""

    def __init__(self, identity: S3Identity, source: AioSession, region_name: str) -> None:
        self._identity = identity
        self._source = source
        self._region = region_name

    async def load_credentials(self) -> Any:
        """Return the role's credentials. The role is assumed on the first use."""
        from aiobotocore.credentials import (
            AioAssumeRoleCredentialFetcher,
            AioDeferredRefreshableCredentials,
        )

        source_credentials = await self._source.get_credentials()
        if source_credentials is None:
            return None
        identity = self._identity
        options = {"RoleSessionName": _ROLE_SESSION_NAME, **identity.role_options}
        if identity.external_id:
            options["ExternalId"] = identity.external_id
        creator: Any = partial(
            self._source.create_client,
            region_name=self._region,
            endpoint_url=identity.sts_endpoint_url,
        )
        fetcher = AioAssumeRoleCredentialFetcher(
            creator, source_credentials, identity.role_arn or "", extra_args=options
        )
        return AioDeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")


@dataclass(frozen=True, slots=True)
class BucketPrefix:
    """A bucket, or a prefix in a bucket, that a client claims."""

    bucket: str
    prefix: str
    """The prefix with a trailing slash; empty for the whole bucket."""

    @classmethod
    def parse(cls, text: str) -> BucketPrefix:
        """Return the bucket and the prefix of a text.

        Args:
            text: `bucket` or `bucket/prefix`. The text may start with `s3://`.

        Raises:
            ConfigError: The text contains no valid bucket name.
        """
        bucket, _, prefix = text.removeprefix("s3://").partition("/")
        if not bucket or any(character in bucket for character in ":*?@ "):
            raise ConfigError(
                f"'{text}' does not contain a valid bucket name. Use the form bucket or "
                "bucket/prefix."
            )
        return cls(bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else "")

    def __contains__(self, url: URL) -> bool:
        return (
            url.scheme == "s3"
            and url.raw_host == self.bucket
            and f"{key_of(url)}/".startswith(self.prefix)
        )
