"""Identities that sign the requests to Google Cloud Storage and Azure Blob Storage.

`Config.destination_identity` and the clients `GcsClient` and `AzureClient` take an identity.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import ClassVar, Self

from stac_asset.errors import ConfigError

_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
"""Names of storage accounts.

Source: https://learn.microsoft.com/azure/storage/common/storage-account-overview
"""


@dataclass(frozen=True, slots=True)
class GcsIdentity:
    """A Google service account or an access token.

    Without a key and a token, the credentials of the environment or the machine are used, as
    described in https://cloud.google.com/docs/authentication/application-default-credentials.

    Raises:
        ConfigError: The fields are contradictory, or the key is not valid.
    """

    # The variable of `Config.destination_identity` is JSON. Pydantic refuses unknown fields.
    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    service_account_key: str | None = field(default=None, repr=False)
    """The JSON text of the key of a service account."""

    token: str | None = field(default=None, repr=False)
    """An OAuth2 access token. The token is not renewed."""

    anonymous: bool = False
    """Send requests without credentials. Only public buckets accept such requests."""

    endpoint_url: str | None = None
    """URL of the service, if not `https://storage.googleapis.com`."""

    def __post_init__(self) -> None:
        ways = (self.service_account_key, self.token, self.anonymous)
        if sum(map(bool, ways)) > 1:
            raise ConfigError(
                "`service_account_key`, `token` and `anonymous` are mutually exclusive. Set only "
                "one of them."
            )
        if self.service_account_key is not None and not _is_key(self.service_account_key):
            raise ConfigError(
                "`service_account_key` is not the key of a service account. Set the JSON text with "
                "the fields `client_email` and `private_key`."
            )

    @property
    def is_default(self) -> bool:
        """Whether the credentials of the environment or the machine are used."""
        return not (self.service_account_key or self.token or self.anonymous)


@dataclass(frozen=True, slots=True)
class AzureIdentity:
    """An Azure storage account, and a key, SAS token, service principal or access token.

    Without any of these, the credentials of the environment or the machine are used: the variables
    that start with `AZURE_STORAGE_`, a workload identity, or a managed identity.

    Raises:
        ConfigError: The fields are contradictory or incomplete.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    account: str | None = None
    """The name of the storage account. Default: the account in the URL or the environment.

    A key and a SAS token belong to an account, and need this name.
    """

    account_key: str | None = field(default=None, repr=False)
    """A key of the account."""

    sas_token: str | None = field(default=None, repr=False)
    """A shared access signature, such as `sv=…&sig=…`."""

    token: str | None = field(default=None, repr=False)
    """An OAuth2 access token. The token is not renewed."""

    tenant_id: str | None = None
    """The tenant of a service principal."""

    client_id: str | None = None
    """The client id of a service principal."""

    client_secret: str | None = field(default=None, repr=False)
    """The client secret of a service principal."""

    anonymous: bool = False
    """Send requests without credentials. Only public containers accept such requests."""

    endpoint_url: str | None = None
    """URL of the blob service, if not `https://<account>.blob.core.windows.net`."""

    def __post_init__(self) -> None:
        principal = (self.tenant_id, self.client_id, self.client_secret)
        if any(principal) and not all(principal):
            raise ConfigError(
                "The service principal is incomplete. Set `tenant_id`, `client_id` and "
                "`client_secret`, or none of them."
            )
        ways = (self.account_key, self.sas_token, self.token, self.client_secret, self.anonymous)
        if sum(map(bool, ways)) > 1:
            raise ConfigError(
                "`account_key`, `sas_token`, `token`, `client_secret` and `anonymous` are mutually "
                "exclusive. Set only one of them."
            )
        if (self.account_key or self.sas_token) and not self.account:
            raise ConfigError("The Azure credentials have no account. Set `account` too.")
        if self.account_key is not None and not _is_base64(self.account_key):
            raise ConfigError(
                "`account_key` is not valid base64. Copy the key from the access keys of the "
                "storage account."
            )
        if self.account is not None and not _ACCOUNT.fullmatch(self.account):
            raise ConfigError(
                "`account` is not the name of an Azure storage account. Write 3 to 24 lowercase "
                "letters and digits."
            )

    @classmethod
    def from_connection_string(cls, text: str) -> Self:
        """Return the identity of a connection string.

        Source:
        https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string

        Args:
            text: The connection string, such as `AccountName=…;AccountKey=…`.

        Raises:
            ConfigError: The connection string has no account, and neither a key nor a SAS token.
        """
        pairs = (part.strip().partition("=") for part in text.split(";") if part.strip())
        fields = {name.lower(): value for name, _, value in pairs}
        endpoint = fields.get("blobendpoint")
        account = fields.get("accountname") or _account_of(endpoint)
        key, sas = fields.get("accountkey"), fields.get("sharedaccesssignature")
        if not account or not (key or sas):
            raise ConfigError(
                "The connection string has no account, or neither a key nor a SAS token. Copy the "
                "connection string from the access keys of the storage account."
            )
        suffix = fields.get("endpointsuffix")
        if endpoint is None and suffix:
            scheme = fields.get("defaultendpointsprotocol", "https")
            endpoint = f"{scheme}://{account}.blob.{suffix}"
        if key:
            return cls(account, account_key=key, endpoint_url=endpoint)
        return cls(account, sas_token=sas, endpoint_url=endpoint)

    @property
    def is_default(self) -> bool:
        """Whether the credentials of the environment or the machine are used."""
        secrets = (self.account_key, self.sas_token, self.token, self.client_secret)
        return not (any(secrets) or self.anonymous)


def _is_key(text: str) -> bool:
    try:
        parsed = json.loads(text)
    except ValueError:
        return False
    return isinstance(parsed, dict) and {"client_email", "private_key"} <= parsed.keys()


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def _account_of(endpoint: str | None) -> str | None:
    """Return the account in the host of a blob endpoint."""
    host = (endpoint or "").partition("://")[2].partition("/")[0]
    account, dot, _ = host.partition(".blob.")
    return account if dot else None
