"""The configuration of a download, with validation.

`stac_asset.config_fields` declares the fields.
"""

from __future__ import annotations

import copy
import re
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from yarl import URL

from stac_asset.config_fields import (
    CHOICES,
    DEFAULT_HTTP_MAX_ATTEMPTS,
    DEFAULT_S3_MAX_ATTEMPTS,
    DEFAULT_S3_REGION_NAME,
    DEFAULT_S3_RETRY_MODE,
    ConfigFields,
)
from stac_asset.errors import CannotIncludeAndExclude, ConfigError
from stac_asset.host_patterns import HostPatterns
from stac_asset.selection.patterns import AssetSelection, asset_selection

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "DEFAULT_HTTP_MAX_ATTEMPTS",
    "DEFAULT_MAX_CONCURRENT_DOWNLOADS",
    "DEFAULT_S3_MAX_ATTEMPTS",
    "DEFAULT_S3_REGION_NAME",
    "DEFAULT_S3_RETRY_MODE",
    "Config",
]

DEFAULT_MAX_CONCURRENT_DOWNLOADS = 500
"""Default for the maximum number of assets downloaded at the same time."""

OAUTH2_GRANTS: dict[str, tuple[str, ...]] = {
    "authorization_code": ("oauth2_token_url", "oauth2_authorization_url", "oauth2_client_id"),
    "client_credentials": ("oauth2_token_url", "oauth2_client_id", "oauth2_client_secret"),
    "device_code": ("oauth2_token_url", "oauth2_device_authorization_url", "oauth2_client_id"),
    "resource_owner_password_credentials": (
        "oauth2_token_url",
        "oauth2_username",
        "oauth2_password",
    ),
}
"""OAuth2 grants, with the required fields of each grant."""

_URLS = (
    "destination_endpoint_url",
    "s3_endpoint_url",
    "sas_token_endpoint",
    "oauth2_token_url",
    "oauth2_authorization_url",
    "oauth2_device_authorization_url",
)
"""Fields with the http or https URL of a service."""

_SENT_IN_HEADERS = (
    "earthdata_token",
    "pc_subscription_key",
    "destination_access_key_id",
    "destination_session_token",
    "destination_storage_class",
    "destination_kms_key_id",
    "destination_acl",
)
"""Fields whose values are headers, or parts of headers."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""Names of headers: a token of RFC 9110, section 5.6.2."""

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""Control characters that the value of a header cannot have. A tab is allowed."""

_HAS_CONTROL = (
    "contains a line end or another control character, which a header cannot have. Remove the "
    "character, for example with `strip()`."
)


class Config(ConfigFields):
    """Configuration of downloads.

    `ConfigFields` documents the fields. The constructor checks the names of the fields, lists and
    dictionaries. All functions with a `config` argument call `validate`, which checks all values.
    """

    # Without this option, pydantic accepts instances without checking their fields.
    __pydantic_config__: ClassVar[dict[str, object]] = {"revalidate_instances": "always"}

    def validate(self) -> None:
        """Validate this configuration.

        Raises:
            CannotIncludeAndExclude: `include` and `exclude` are both set.
            ConfigError: Other fields contradict each other, or a value is invalid, such as an empty
                pattern of `include`.
        """
        self._check_types()
        if self.include and self.exclude:
            raise CannotIncludeAndExclude(
                "`include` and `exclude` are mutually exclusive. Set only one of them."
            )
        selection_of(self)
        if self.warn and self.fail_fast:
            raise ConfigError(
                "`warn` and `fail_fast` are mutually exclusive. Set only one of them."
            )
        for name in ("s3_max_attempts", "http_max_attempts", "max_connections_per_host"):
            if getattr(self, name) < 1:
                raise ConfigError(f"`{name}` must be at least 1, not {getattr(self, name)}")
        if self.max_connections_per_file is not None and self.max_connections_per_file < 1:
            raise ConfigError(
                "`max_connections_per_file` must be at least 1, not "
                f"{self.max_connections_per_file}"
            )
        for name in ("http_client_timeout", "http_read_timeout"):
            value = getattr(self, name)
            if value is not None and not value > 0:  # NaN is not more than 0.
                raise ConfigError(f"`{name}` must be more than 0 seconds, not {value}")
        for host, connections in self.host_connections.items():
            if connections < 1:
                raise ConfigError(
                    f"`host_connections` must be at least 1 for host '{host}', not {connections}"
                )
        for name in ("retry_wait", "retry_wait_max", "host_wait_max"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"`{name}` must be 0 seconds or more, not {getattr(self, name)}")
        if self.s3_unsigned and self.s3_requester_pays:
            raise ConfigError(
                "`s3_unsigned` and `s3_requester_pays` are mutually exclusive. Set only one of "
                "them."
            )
        if self.s3_retry_mode not in ("adaptive", "standard", "legacy"):
            raise ConfigError(
                f"`s3_retry_mode` must be adaptive, standard or legacy, not '{self.s3_retry_mode}'"
            )
        for name in ("http_headers_hosts", "oauth2_hosts", "earthdata_hosts"):
            try:
                HostPatterns(getattr(self, name))
            except ConfigError as error:
                raise ConfigError(f"`{name}`: {error}") from None
        self._check_urls()
        self._check_headers()
        self._check_estimates()
        self._check_destination()
        self._check_oauth2()

    def _check_urls(self) -> None:
        for name in _URLS:
            value = getattr(self, name)
            if value is None or (value == "" and name != "destination_endpoint_url"):
                continue
            url = _parsed_url(value)
            if (
                url is None
                or url.scheme not in ("http", "https")
                or not url.host
                or url.user
                or url.password
            ):
                raise ConfigError(
                    f"`{name}` is not the URL of a service. Write for example "
                    "'https://example.com', and set credentials by other options."
                )

    def _check_headers(self) -> None:
        for name, value in self.http_headers.items():
            if not _HEADER_NAME.fullmatch(name):
                raise ConfigError(
                    f"`http_headers` has the header {name[:50]!r}, which is not a valid name. Use "
                    "letters, digits and '-', such as 'X-Api-Key'."
                )
            if _CONTROL.search(value):
                raise ConfigError(f"The value of `http_headers.{name}` {_HAS_CONTROL}")
        for name in _SENT_IN_HEADERS:
            if _CONTROL.search(getattr(self, name) or ""):
                raise ConfigError(f"`{name}` {_HAS_CONTROL}")

    def _check_estimates(self) -> None:
        if self.expected_speed is not None and not self.expected_speed > 0:
            raise ConfigError(
                f"`expected_speed` must be more than 0 bytes per second, not {self.expected_speed}"
            )
        for host, price in self.price_per_gb.items():
            if not 0 <= price < float("inf"):
                raise ConfigError(
                    f"`price_per_gb` must be 0 or more for host '{host}', not {price}"
                )
            name = host.removeprefix("*.")
            if not name or "/" in name or ("*" in name and host != "*"):
                raise ConfigError(
                    f"`price_per_gb`: '{host}' is not a host. Use example.com, *.example.com, the "
                    "name of a bucket, or * for all other hosts."
                )

    def _check_destination(self) -> None:
        if bool(self.destination_access_key_id) != bool(self.destination_secret_access_key):
            raise ConfigError(
                "The access key of the destination is incomplete. Set both "
                "`destination_access_key_id` and `destination_secret_access_key`, or neither."
            )
        if self.destination_session_token and not self.destination_access_key_id:
            raise ConfigError(
                "`destination_session_token` has no access key. Set `destination_access_key_id` "
                "and `destination_secret_access_key` too."
            )
        if self.destination_kms_key_id and not (self.destination_encryption or "").startswith(
            "aws:kms"
        ):
            raise ConfigError(
                "`destination_kms_key_id` needs the encryption by KMS. Set "
                "`destination_encryption='aws:kms'` too."
            )

    def _check_types(self) -> None:
        # The import of pydantic takes a tenth of a second. Default values need no check.
        default = vars(type(self)())
        if all(
            type(value) is type(default[name]) and value == default[name]
            for name, value in vars(self).items()
        ):
            return
        from pydantic import ValidationError

        try:
            _adapter().validate_python(self, strict=True)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name, *inner = map(str, first["loc"])
            value, choices = getattr(self, name), CHOICES.get(name)
            if choices is not None:
                shown = repr(value)[:50] if isinstance(value, str) else type(value).__name__
                text = f"`{name}` must be {' or '.join(choices)}, not {shown}"
            elif inner:
                text = f"`{'.'.join([name, *inner])}` is not valid: {first['msg']}"
            else:
                text = f"`{name}` is not valid: {first['msg']}, not {type(value).__name__}"
            raise ConfigError(text) from None

    def _check_oauth2(self) -> None:
        if self.oauth2_grant is None:
            return
        if self.oauth2_grant not in OAUTH2_GRANTS:
            raise ConfigError(
                f"`oauth2_grant` must be one of {', '.join(OAUTH2_GRANTS)}, not "
                f"'{self.oauth2_grant}'"
            )
        needed = (*OAUTH2_GRANTS[self.oauth2_grant], "oauth2_hosts")
        missing = [name for name in needed if not getattr(self, name)]
        if missing:
            raise ConfigError(
                f"`oauth2_grant` is '{self.oauth2_grant}', which also needs "
                f"{', '.join(f'`{name}`' for name in missing)}. Set them, or remove `oauth2_grant`."
            )

    def copy(self) -> Config:
        """Return a deep copy of this config.

        Returns:
            A deep copy of this config.
        """
        return copy.deepcopy(self)

    @classmethod
    def from_env(cls, **overrides: Any) -> Config:
        """Return a configuration with the current values of the environment and `.env`.

        Args:
            overrides: Values of fields, which take precedence over the environment.
                `stac_asset.environment` documents the order of precedence.

        Raises:
            ConfigError: A variable or an override has an invalid value.
        """
        from stac_asset.environment import EnvironmentFields  # Slow to import.

        return cls(**EnvironmentFields.load(**overrides).values())


def selection_of(config: ConfigFields) -> AssetSelection:
    """Return the decision which assets `include` and `exclude` select.

    Args:
        config: The configuration.

    Raises:
        ConfigError: A pattern is empty.
    """
    return asset_selection(tuple(config.include), tuple(config.exclude))


def selects(config: ConfigFields, key: str, asset: object) -> bool:
    """Return whether `include` and `exclude` select an asset.

    Args:
        config: The configuration.
        key: The key of the asset.
        asset: The asset, as an object of pystac or as JSON of any shape.
    """
    if not (config.include or config.exclude):
        return True
    return selection_of(config).selects(key, asset)


def checked_config(config: Config | None) -> Config:
    """Return a validated copy of the `config` of a public function, or the default.

    Args:
        config: The value of the parameter.

    Raises:
        ConfigError: The configuration is invalid, or of another type.
    """
    if config is None:
        return Config()
    if not isinstance(config, Config):
        raise ConfigError(
            f"`config` must be a `Config`, not {type(config).__name__}. Use "
            "`Config(include=['B04'])`."
        )
    config = config.copy()
    config.validate()
    return config


def _parsed_url(text: str) -> URL | None:
    try:
        return URL(text)
    except ValueError:
        return None


@cache
def _adapter() -> TypeAdapter[Config]:
    from pydantic import TypeAdapter

    return TypeAdapter(Config)
