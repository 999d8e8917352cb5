"""Internal: stores of obstore for the buckets of Google Cloud Storage and Azure.

obstore reads environment variables in all constructors. The arguments of explicit identities
override these variables, so that credentials are not sent to the account of another identity.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stac_asset.errors import ConfigError
from stac_asset.object_store.buckets import Bucket
from stac_asset.object_store.identity import AzureIdentity, GcsIdentity

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore

_REQUEST_TIMEOUT = timedelta(hours=24)
"""Maximum duration of a request. The engine and `read_timeout` end requests that stall."""

_RETRY_TIMEOUT = timedelta(seconds=60)
"""Maximum time of all attempts of a request, without the attempts of the engine."""

_GCS_SECRETS = (
    *("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH", "GOOGLE_SERVICE_ACCOUNT_KEY"),
    *("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_BEARER_TOKEN"),
)
_GCS_KEY_FILES = ("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH")
_GCS_ENDPOINT = "https://storage.googleapis.com"
_AZURE_SECRETS = (
    *("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_MASTER_KEY"),
    *("AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_TOKEN"),
    *("AZURE_STORAGE_CLIENT_SECRET", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE"),
    *("AZURE_MSI_ENDPOINT", "AZURE_IDENTITY_ENDPOINT", "AZURE_USE_AZURE_CLI"),
)
_ADC = Path(".config", "gcloud", "application_default_credentials.json")
"""The file of `gcloud auth application-default login`, below the home directory."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of requests."""

    read_timeout: float | None = None
    """Maximum time, in seconds, without received bytes. By default, there is no limit."""

    retries: int = 0
    """Maximum number of further attempts of a request after transient errors."""


def is_installed() -> bool:
    """Return whether obstore is installed."""
    return importlib.util.find_spec("obstore") is not None


def missing_extra(service: str) -> str:
    """Return the reason and the advice if obstore is not installed.

    Args:
        service: The service of the URL, `gcs` or `azure`, which is also the name of the extra.
    """
    return (
        "the package obstore is not installed. Install the extra with "
        f"`pip install 'prefect-stac-asset[{service}]'`"
    )


def has_environment(service: Literal["gcs", "azure"]) -> bool:
    """Return whether the environment or a file of `gcloud` has credentials.

    Identities of the machine are not counted, because a request would have to search for them.

    Args:
        service: The service.
    """
    if service == "azure":
        return any(os.environ.get(name) for name in _AZURE_SECRETS)
    return any(os.environ.get(name) for name in _GCS_SECRETS) or (Path.home() / _ADC).is_file()


def account_of(bucket: Bucket, identity: AzureIdentity) -> str:
    """Return the storage account of a container.

    Args:
        bucket: The container.
        identity: The identity.

    Raises:
        ConfigError: No account is known, or the URL names another account than the credentials.
    """
    environment = os.environ.get("AZURE_STORAGE_ACCOUNT_NAME") if identity.is_default else None
    own = environment or identity.account
    if own is not None and {bucket.account, identity.account} - {None, own}:
        raise ConfigError(
            f"the storage account is '{bucket.account or identity.account}', but the credentials "
            f"belong to '{own}'. Correct the URL or the credentials"
        )
    account = bucket.account or own
    if account is None:
        raise ConfigError(
            "the storage account is unknown. Write "
            f"'abfs://{bucket.name}@<account>.dfs.core.windows.net', or set the variable "
            "AZURE_STORAGE_ACCOUNT_NAME"
        )
    return account


def open_store(
    bucket: Bucket, identity: GcsIdentity | AzureIdentity | None, limits: Limits
) -> GCSStore | AzureStore:
    """Return the store of a bucket. No request is sent.

    Args:
        bucket: The bucket.
        identity: The identity. None for the credentials of the environment or machine.
        limits: The limits of requests.

    Raises:
        ConfigError: The identity is of another service or account, or is not valid.
    """
    is_gcs = bucket.service == "gcs"
    expected = GcsIdentity if is_gcs else AzureIdentity
    if identity is not None and not isinstance(identity, expected):
        raise ConfigError(
            f"the identity is a `{type(identity).__name__}`. Use `{expected.__name__}`"
        )
    options: dict[str, Any] = {
        "client_options": _client_options(limits),
        "retry_config": {"max_retries": limits.retries, "retry_timeout": _RETRY_TIMEOUT},
    }
    try:
        if is_gcs:
            return _gcs(bucket, identity or GcsIdentity(), options)  # type: ignore[arg-type]
        return _azure(bucket, identity or AzureIdentity(), options)  # type: ignore[arg-type]
    except ConfigError:
        raise
    except Exception as error:  # The messages of obstore can contain keys.
        raise ConfigError(
            f"the credentials are not valid ({type(error).__name__}). Correct the credentials"
        ) from None


def _client_options(limits: Limits) -> dict[str, Any]:
    options: dict[str, Any] = {
        "timeout": _REQUEST_TIMEOUT,
        "connect_timeout": timedelta(seconds=30),
        # Otherwise Google Cloud Storage sends compressed objects decompressed.
        # Source: https://cloud.google.com/storage/docs/transcoding
        "default_headers": {"accept-encoding": "gzip"},
    }
    if limits.read_timeout is not None:
        options["read_timeout"] = timedelta(seconds=limits.read_timeout)
    return options


def _gcs(bucket: Bucket, identity: GcsIdentity, options: dict[str, Any]) -> GCSStore:
    from obstore.store import GCSStore

    default = os.environ.get("GOOGLE_BASE_URL") if identity.is_default else _GCS_ENDPOINT
    endpoint = identity.endpoint_url or default
    if endpoint is not None:
        options["base_url"] = endpoint.rstrip("/")
        _allow_http(options, endpoint)
    if identity.token is not None:
        credential = {"token": identity.token, "expires_at": None}
        options["credential_provider"] = lambda: credential
    elif identity.service_account_key is not None:
        for name in _GCS_KEY_FILES:
            if os.environ.get(name):
                raise ConfigError(f"obstore accepts no key while {name} is set. Unset {name}")
        options["service_account_key"] = identity.service_account_key
    elif identity.anonymous:
        options["skip_signature"] = True
    return GCSStore(bucket.name, **options)


def _azure(bucket: Bucket, identity: AzureIdentity, options: dict[str, Any]) -> AzureStore:
    from obstore.store import AzureStore

    options["account_name"] = account = account_of(bucket, identity)
    endpoint = identity.endpoint_url or bucket.endpoint
    if endpoint is None and not identity.is_default:
        endpoint = f"https://{account}.blob.core.windows.net"
    elif endpoint is None:
        endpoint = os.environ.get("AZURE_STORAGE_ENDPOINT") or os.environ.get("AZURE_ENDPOINT")
    if endpoint is not None:
        options["endpoint"], options["use_emulator"] = endpoint.rstrip("/"), False
        _allow_http(options, endpoint)
    credential: dict[str, Any] | None = None
    if identity.account_key is not None:
        credential = {"access_key": identity.account_key}
    elif identity.sas_token is not None:
        credential = {"sas_token": identity.sas_token.removeprefix("?")}
    elif identity.token is not None:
        credential = {"token": identity.token}
    elif identity.client_secret is not None:
        for name in ("tenant_id", "client_id", "client_secret"):
            options[name] = getattr(identity, name)
        options["credential_type"] = "client_secret"
    elif identity.anonymous:
        options["skip_signature"] = True
    if credential is not None:
        credential["expires_at"] = None
        options["credential_provider"] = lambda: credential
    return AzureStore(bucket.name, **options)


def _allow_http(options: dict[str, Any], endpoint: str) -> None:
    if endpoint.startswith("http://"):
        options["client_options"] = {**options["client_options"], "allow_http": True}
