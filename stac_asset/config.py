"""The configuration of a download."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args, get_origin, get_type_hints

from stac_asset.errors import CannotIncludeAndExclude, ConfigError
from stac_asset.host_patterns import Hosts
from stac_asset.strategy import ErrorStrategy, FileNameStrategy

if TYPE_CHECKING:
    from pydantic import TypeAdapter

DEFAULT_S3_REGION_NAME = "us-west-2"
DEFAULT_S3_RETRY_MODE = "adaptive"
DEFAULT_S3_MAX_ATTEMPTS = 10
DEFAULT_HTTP_MAX_ATTEMPTS = 10
DEFAULT_MAX_CONCURRENT_DOWNLOADS = 500
"""How many assets are in work at once, where the caller does not say."""

_GRANTS: dict[str, tuple[str, ...]] = {
    "authorization_code": ("oauth2_token_url", "oauth2_authorization_url", "oauth2_client_id"),
    "client_credentials": ("oauth2_token_url", "oauth2_client_id", "oauth2_client_secret"),
    "device_code": ("oauth2_token_url", "oauth2_device_authorization_url", "oauth2_client_id"),
    "resource_owner_password_credentials": (
        "oauth2_token_url",
        "oauth2_username",
        "oauth2_password",
    ),
}
"""The OAuth2 grants, and what each needs."""


@dataclass
class Config:
    """Configuration for downloading items and their assets.

    A contradictory configuration can be made; `validate`, and every function that takes a
    configuration, refuses it. Secrets have no repr.
    """

    # Lets pydantic take the docstrings below as descriptions, wherever a model is derived.
    __pydantic_config__: ClassVar[dict[str, object]] = {
        "use_attribute_docstrings": True,
        "revalidate_instances": "always",
    }

    alternate_assets: list[str] = field(default_factory=list)
    """Alternate asset keys to prefer, if available.

    They are tried in this order, then the asset's own href.
    """

    file_name_strategy: FileNameStrategy = FileNameStrategy.FILE_NAME
    """The file name strategy to use when downloading assets."""

    warn: bool = False
    """If an error occurs during download, warn instead of raising the error."""

    fail_fast: bool = False
    """If an error occurs during download, fail immediately.

    By default, all downloads are completed before raising/warning any errors. Mutually exclusive
    with warn.
    """

    error_strategy: ErrorStrategy = ErrorStrategy.DELETE
    """The strategy to use when errors occur during download."""

    exclude: list[str] = field(default_factory=list)
    """Assets to exclude from the download.

    Mutually exclusive with include.
    """

    include: list[str] = field(default_factory=list)
    """Assets to include in the download.

    Mutually exclusive with exclude.
    """

    make_directory: bool = True
    """Whether to create the output directory.

    If False, and the output directory does not exist, an error will be raised.
    """

    clean: bool = True
    """If true, clean up the downloaded file if it errors.

    A part file that a later run can continue is kept whatever this says, also after a 401 or 403:
    the next run may have another signature. One that it cannot, because the error is final, is
    removed.
    """

    overwrite: bool = False
    """Download files even if they already exist locally."""

    earthdata_token: str | None = field(default=None, repr=False)
    """A token for logging in to Earthdata."""

    s3_region_name: str = DEFAULT_S3_REGION_NAME
    """Default s3 region."""

    s3_requester_pays: bool = False
    """If using the s3 client, enable requester pays."""

    s3_retry_mode: str = DEFAULT_S3_RETRY_MODE
    """The retry mode to use for s3 requests: adaptive, standard or legacy."""

    s3_max_attempts: int = DEFAULT_S3_MAX_ATTEMPTS
    """The maximum number of attempts when downloading assets from s3."""

    s3_endpoint_url: str | None = None
    """The URL of an S3-compatible service to use instead of AWS."""

    client_override: str | None = None
    """The name of the client to use for every href, whatever the href says."""

    http_check_content_type: bool = True
    """If false, a content type that the asset does not expect is a warning, not an error."""

    http_client_timeout: float | None = None
    """Seconds that one attempt at a file may take; no limit by default.

    The wait for a place in our own queue does not count.
    """

    http_read_timeout: float = 60.0
    """Seconds without a byte after which an attempt is given up and the next one made."""

    http_max_attempts: int = DEFAULT_HTTP_MAX_ATTEMPTS
    """How often a file is tried in all, when what goes wrong may pass."""

    http_headers: dict[str, str] = field(default_factory=dict, repr=False)
    """Headers to send with each plain HTTP request; they may be secrets.

    They go to `http_headers_hosts`. Where that is empty, they go to the origin of every href that
    an item names, but not over a redirect to another one.
    """

    http_headers_hosts: list[str] = field(default_factory=list)
    """The only hosts that get `http_headers`, as in `oauth2_hosts`."""

    retry_wait: float = 0.5
    """Seconds that the wait before a second attempt has at most; it doubles with each attempt."""

    retry_wait_max: float = 60.0
    """Seconds that no wait between attempts exceeds, whatever a `Retry-After` says."""

    max_connections_per_host: int = 32
    """How many files of one host are fetched at the same time."""

    max_connections_per_file: int | None = None
    """Over how many connections a file of 32 MiB and more is fetched at the same time.

    By default 16, and 1 from hosts that are known to allow few of them, such as those of the
    Copernicus Data Space. They count as connections of the host. Only sources that can send ranges
    of one version of a file are asked for them, and only where one connection is not fast enough.
    """

    verify_existing: Literal["size", "checksum", "none"] = "size"
    """How hard to look at a file that is there already before it is skipped."""

    write_checksums: bool = False
    """Write `file:checksum` and `file:size` of what was downloaded to the rewritten assets."""

    allow_local_hrefs: bool | None = None
    """Whether items may name files of this machine; by default only items that are local."""

    sas_token_endpoint: str = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
    """Where the Planetary Computer's SAS tokens come from."""

    pc_subscription_key: str | None = field(default=None, repr=False)
    """A subscription key of the Planetary Computer, which raises its limits."""

    oauth2_grant: str | None = None
    """The OAuth2 grant by which plain HTTP requests get a bearer token.

    One of authorization_code, client_credentials, device_code and
    resource_owner_password_credentials.
    """

    oauth2_hosts: list[str] = field(default_factory=list)
    """The hosts that get the OAuth2 bearer token; needed wherever `oauth2_grant` is set.

    Each is `example.com`, or `*.example.com` for all hosts below it, with a port where it is not
    the scheme's own. Only https is meant, unless `http://` stands before the host.
    """

    oauth2_token_url: str | None = None
    """The OAuth2 token endpoint."""

    oauth2_authorization_url: str | None = None
    """The OAuth2 authorization endpoint, for the authorization code grant."""

    oauth2_device_authorization_url: str | None = None
    """The OAuth2 device authorization endpoint, for the device code grant."""

    oauth2_client_id: str | None = None
    """The OAuth2 client's id."""

    oauth2_client_secret: str | None = field(default=None, repr=False)
    """The OAuth2 client's secret, for the client credentials grant."""

    oauth2_pkce: bool = True
    """Whether to use PKCE with the authorization code and device code grants."""

    oauth2_username: str | None = field(default=None, repr=False)
    """The user's name, for the resource owner password credentials grant."""

    oauth2_password: str | None = field(default=None, repr=False)
    """The user's password, for the resource owner password credentials grant."""

    oauth2_extra: dict[str, str] = field(default_factory=dict, repr=False)
    """Further fields of the token request, such as a scope."""

    def validate(self) -> None:
        """Validates this configuration.

        Raises:
            CannotIncludeAndExclude: include and exclude are mutually exclusive
            ConfigError: Any other contradiction, or a value that a field cannot have.
        """
        self._check_types()
        if self.include and self.exclude:
            raise CannotIncludeAndExclude(
                "include and exclude are mutually exclusive: set one of them"
            )
        if self.warn and self.fail_fast:
            raise ConfigError("warn and fail_fast are mutually exclusive: set one of them")
        for name in ("s3_max_attempts", "http_max_attempts", "max_connections_per_host"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.max_connections_per_file is not None and self.max_connections_per_file < 1:
            raise ConfigError(
                f"max_connections_per_file must be at least 1, not {self.max_connections_per_file}"
            )
        for name in ("http_client_timeout", "http_read_timeout"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigError(f"{name} must be more than 0 seconds, not {value}")
        for name in ("retry_wait", "retry_wait_max"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be 0 seconds or more, not {getattr(self, name)}")
        if self.s3_retry_mode not in ("adaptive", "standard", "legacy"):
            raise ConfigError(
                f"s3_retry_mode must be adaptive, standard or legacy, not '{self.s3_retry_mode}'"
            )
        for name in ("http_headers_hosts", "oauth2_hosts"):
            try:
                Hosts(getattr(self, name))
            except ConfigError as error:
                raise ConfigError(f"{name}: {error}") from None
        self._check_oauth2()

    def _check_types(self) -> None:
        if all(_fits(getattr(self, name), hint) for name, hint in _hints().items()):
            return  # Without pydantic, which takes longer to import than all else here.
        from pydantic import ValidationError

        try:
            adapter().validate_python(self, strict=True)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = ".".join(str(part) for part in first["loc"])
            raise ConfigError(f"{name} is not valid: {first['msg']}") from None

    def _check_oauth2(self) -> None:
        if self.oauth2_grant is None:
            return
        if self.oauth2_grant not in _GRANTS:
            raise ConfigError(
                f"oauth2_grant must be one of {', '.join(_GRANTS)}, not '{self.oauth2_grant}'"
            )
        needed = (*_GRANTS[self.oauth2_grant], "oauth2_hosts")
        missing = [name for name in needed if not getattr(self, name)]
        if missing:
            raise ConfigError(f"oauth2_grant '{self.oauth2_grant}' needs {', '.join(missing)} too")

    def copy(self) -> Config:
        """Returns a deep copy of this config.

        Returns:
            A deep copy of this config.
        """
        return copy.deepcopy(self)

    @classmethod
    def from_env(cls, **overrides: Any) -> Config:
        """Returns a config from the environment and `.env`, read now.

        Args:
            overrides: Fields by name (whatever type the field has), which win over the
                environment. See `stac_asset.settings.Settings` for the order of precedence.

        Raises:
            ConfigError: A variable holds what its field cannot have.
        """
        from stac_asset.settings import Settings

        return Settings.load(**overrides).config()


@cache
def _hints() -> dict[str, Any]:
    return {name: hint for name, hint in get_type_hints(Config).items() if name[0] != "_"}


def _fits(value: object, hint: Any) -> bool:
    """Returns whether a value is certainly of a type; where it is not certain, pydantic decides."""
    kind, parts = get_origin(hint), get_args(hint)
    if kind is list:
        return type(value) is list and all(_fits(each, parts[0]) for each in value)
    if kind is dict:
        return type(value) is dict and not value
    if kind is Literal:
        return type(value) is str and value in parts
    if kind is UnionType:
        return any(_fits(value, part) for part in parts)
    return type(value) is hint


@cache
def adapter() -> TypeAdapter[Config]:
    """Returns what checks a `Config`'s types, and describes its fields; made when first wanted."""
    from pydantic import TypeAdapter

    return TypeAdapter(Config)
