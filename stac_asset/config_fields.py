"""Internal: the options of a download, with types, defaults and descriptions.

Each option is described only here, in the docstring of the field. The settings, the command line,
the run form and the reference show this description.
"""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass, field
from functools import cache
from textwrap import dedent
from typing import Any, Literal

from stac_asset.errors import ConfigError
from stac_asset.errors.field_names import check_field_name, refuses_unknown_fields
from stac_asset.object_store.identity import AzureIdentity, GcsIdentity
from stac_asset.strategy import ErrorStrategy, FileNameStrategy
from stac_asset.string_lists import string_list

DEFAULT_S3_REGION_NAME = "us-west-2"
DEFAULT_S3_RETRY_MODE = "adaptive"
DEFAULT_S3_MAX_ATTEMPTS = 10
DEFAULT_HTTP_MAX_ATTEMPTS = 10


@refuses_unknown_fields
@dataclass
class ConfigFields:
    """The fields of `Config`. Secrets are not part of the repr."""

    alternate_assets: list[str] = field(default_factory=list)
    """Keys of alternate hrefs to try first, such as `s3`, in order of preference.

    The asset's own href is tried last.
    """

    file_name_strategy: FileNameStrategy = FileNameStrategy.FILE_NAME
    """How files are named: FILE_NAME keeps the name in the href, KEY uses the asset key."""

    warn: bool = False
    """Warn about failed assets instead of raising an error or failing the run."""

    fail_fast: bool = False
    """Stop at the first failed asset.

    By default, all other assets are downloaded first. Mutually exclusive with `warn`.
    """

    error_strategy: ErrorStrategy = ErrorStrategy.DELETE
    """How to handle a failed asset in the document: KEEP the source href, or DELETE the asset."""

    exclude: list[str] = field(default_factory=list)
    """Assets to leave out: keys, globs, `role:overview`, `type:application/*`.

    `include` describes the patterns. Mutually exclusive with `include`.
    """

    include: list[str] = field(default_factory=list)
    """The only assets to download: keys, globs such as `B0*`, `role:data`, `type:image/tiff*`.

    Empty means all assets. An asset is downloaded if any pattern matches. Globs also work after
    `role:` and `type:`. A pattern that is the key of an asset always matches this asset.
    Mutually exclusive with `exclude`.
    """

    make_directory: bool = True
    """Create a missing destination directory. Otherwise raise an error."""

    clean: bool = True
    """Remove the part file after an error that a retry cannot fix.

    A part file that a later run can resume is always kept. This includes errors 401 and 403,
    because the next run may have another signature.
    """

    overwrite: bool = False
    """Download existing files again."""

    earthdata_token: str | None = field(default=None, repr=False)
    """NASA Earthdata bearer token."""

    s3_region_name: str = DEFAULT_S3_REGION_NAME
    """Region of S3 buckets, unless the item declares a region."""

    s3_requester_pays: bool = False
    """Agree to pay for downloads from requester-pays buckets."""

    s3_retry_mode: str = DEFAULT_S3_RETRY_MODE
    """Retry mode of S3 requests: adaptive, standard or legacy."""

    s3_max_attempts: int = DEFAULT_S3_MAX_ATTEMPTS
    """Maximum number of attempts for the first request of each S3 object.

    After an interrupted download, each new attempt sends a single request. `http_max_attempts`
    limits these attempts.
    """

    s3_endpoint_url: str | None = None
    """URL of an S3-compatible service to use instead of AWS."""

    client_override: str | None = None
    """Name of the client to use for every href, such as `http` or `s3`."""

    http_check_content_type: bool = True
    """Fail if the content type differs from the media type of the asset. Otherwise warn."""

    check_content: bool = True
    """Fail if a web page or an error message arrives in place of a file. Otherwise warn.

    The first bytes of each file are compared with the asset's media type, file name and roles. An
    existing file with such content is downloaded again.
    """

    allow_empty_files: bool = False
    """Accept empty files. By default only assets with a `file:size` of 0 may be empty."""

    http_client_timeout: float | None = None
    """Maximum duration, in seconds, of each request for a file or byte range. Default: no limit.

    Time spent waiting for a connection slot does not count.
    """

    http_read_timeout: float = 60.0
    """Maximum time, in seconds, without received bytes. The attempt is then retried."""

    http_max_attempts: int = DEFAULT_HTTP_MAX_ATTEMPTS
    """Maximum number of attempts for each file. Only transient errors are retried."""

    http_headers: dict[str, str] = field(default_factory=dict, repr=False)
    """Headers to send with each plain HTTP request. The values may be secrets.

    The headers are sent to `http_headers_hosts`. If that list is empty, they are sent to the origin
    of each href, but not to another origin after a redirect.
    """

    http_headers_hosts: list[str] = field(default_factory=list)
    """The only hosts that receive the HTTP headers, such as `example.com` or `*.example.com`.

    `oauth2_hosts` describes the format.
    """

    retry_wait: float = 0.5
    """Maximum wait, in seconds, before the first retry. Doubled for each further retry."""

    retry_wait_max: float = 60.0
    """Maximum wait, in seconds, before any retry, in addition to a wait that a host asks for."""

    host_wait_max: float = 900.0
    """Maximum wait, in seconds, that a host may ask for with `Retry-After` or `RateLimit` headers.

    The run sends no request to the host during the wait. If a host asks for more, its assets fail.
    """

    max_connections_per_host: int = 32
    """Maximum number of simultaneous connections per host.

    Lower for hosts with a documented limit, such as the Copernicus Data Space. If a host refuses
    connections, the run uses fewer.
    """

    host_connections: dict[str, int] = field(default_factory=dict)
    """Maximum number of simultaneous connections to individual hosts or buckets.

    Overrides `max_connections_per_host` and the documented limits, for example
    `{"download.dataspace.copernicus.eu": 8}`.
    """

    max_connections_per_file: int | None = None
    """Maximum number of simultaneous connections per file of 32 MiB or more.

    Default: 16, and 1 for hosts known to allow few connections, such as the Copernicus Data Space.
    All connections count towards `max_connections_per_host`. Further connections are opened only
    if the server supports byte ranges of one version and the first connection is slow.
    """

    verify_existing: Literal["size", "checksum", "none"] = "size"
    """How to check an existing file before skipping the download.

    `size` compares its size, `checksum` reads the whole file, and `none` accepts any file.
    """

    write_checksums: bool = False
    """Write `file:checksum` and `file:size` of downloaded files into the document."""

    absolute_hrefs: bool = False
    """Write absolute hrefs of downloaded files into the document, such as `s3://bucket/a.tif`.

    By default, hrefs are relative, so that a directory or prefix can be moved and served by HTTP.
    Mirrors always have relative hrefs.
    """

    destination_endpoint_url: str | None = None
    """URL of the S3-compatible service of the destination, instead of AWS."""

    destination_region: str | None = None
    """Region of the destination's bucket. Default: the region of the profile or environment.

    AWS reports the region of a bucket that is elsewhere, and the request is repeated there.
    """

    destination_profile: str | None = None
    """Profile of the AWS configuration files with the credentials of the destination.

    Without a profile and an access key, the credentials of the environment or machine are used.
    """

    destination_access_key_id: str | None = field(default=None, repr=False)
    """Id of the access key of the destination."""

    destination_secret_access_key: str | None = field(default=None, repr=False)
    """Secret of the access key of the destination."""

    destination_session_token: str | None = field(default=None, repr=False)
    """Session token of a temporary access key of the destination."""

    destination_identity: GcsIdentity | AzureIdentity | None = field(default=None, repr=False)
    """Google or Azure credentials of the destination: a `GcsIdentity` or an `AzureIdentity`.

    The environment variable contains the fields as JSON. By default, the credentials of the
    environment or machine are used.
    """

    destination_storage_class: str | None = None
    """Storage class of new objects, such as `STANDARD_IA`. Default: that of the bucket."""

    destination_encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = None
    """Server-side encryption of new objects: AES256, aws:kms or aws:kms:dsse.

    Default: that of the bucket.
    """

    destination_kms_key_id: str | None = None
    """Id or ARN of the KMS key of new objects. Needs a `destination_encryption` by KMS."""

    destination_acl: str | None = None
    """Canned ACL of new objects, such as `bucket-owner-full-control`."""

    destination_tags: dict[str, str] = field(default_factory=dict)
    """Tags of new objects, for example `{"project": "flood"}`."""

    earthdata_hosts: list[str] = field(default_factory=list)
    """Further hosts that receive the Earthdata token, such as `e4ftl01.cr.usgs.gov`.

    Hosts in earthdata.nasa.gov and earthdatacloud.nasa.gov always receive the token.
    `stac_asset.clients.earthdata.DAAC_HOSTS` lists known hosts, and `oauth2_hosts` describes the
    format.
    """

    check_free_space: bool = True
    """Refuse to start if the declared sizes of the files exceed the free disk space.

    Only sizes in `file:size` count, without the bytes of existing files and part files.
    """

    price_per_gb: dict[str, float] = field(default_factory=dict)
    """Price of each gigabyte that a plan downloads, by host or bucket, in any currency.

    For example `{"*.amazonaws.com": 0.09}`. The most specific name counts, and `*` stands for all
    other hosts. Sources without a price are free. A gigabyte has 1,000,000,000 bytes.
    """

    expected_speed: float | None = None
    """Expected speed of a run in bytes per second, to estimate the duration of a plan.

    By default, a plan of a flow uses the speed of the earlier run in the same directory.
    """

    fsync: bool = True
    """Sync each file to the disk before the file gets its final name.

    Without syncs, files can be incomplete under their final names after a power loss. Turn syncs
    off only for a directory that is downloaded again after a power loss, such as scratch space.
    The documents and the state of a mirror are always synced.
    """

    allow_local_hrefs: bool | None = None
    """Allow items to reference files on this machine. By default only local items may."""

    s3_unsigned: bool | None = None
    """Send S3 requests without credentials.

    By default, requests are signed with the credentials that are found, unless the environment
    variable `AWS_NO_SIGN_REQUEST` is set. Requests with the keys, the profile or the role of a
    block are always signed.
    """

    sas_token_endpoint: str = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
    """Endpoint that issues SAS tokens for the Planetary Computer."""

    pc_subscription_key: str | None = field(default=None, repr=False)
    """Planetary Computer subscription key, which raises rate limits."""

    oauth2_grant: str | None = None
    """OAuth2 grant that obtains a bearer token for plain HTTP requests.

    One of authorization_code, client_credentials, device_code and
    resource_owner_password_credentials.
    """

    oauth2_hosts: list[str] = field(default_factory=list)
    """Hosts that receive the OAuth2 bearer token. Required with `oauth2_grant`.

    Each entry is `example.com`, or `*.example.com` for all subdomains, with a port if it is not
    the default. Only https is used. For http, write the scheme, such as `http://127.0.0.1:8010`.
    """

    oauth2_token_url: str | None = None
    """OAuth2 token endpoint."""

    oauth2_authorization_url: str | None = None
    """OAuth2 authorization endpoint of the authorization code grant."""

    oauth2_device_authorization_url: str | None = None
    """OAuth2 device authorization endpoint of the device code grant."""

    oauth2_client_id: str | None = None
    """OAuth2 client id."""

    oauth2_client_secret: str | None = field(default=None, repr=False)
    """OAuth2 client secret of the client credentials grant."""

    oauth2_pkce: bool = True
    """Use PKCE with the authorization code and device code grants."""

    oauth2_username: str | None = field(default=None, repr=False)
    """User name of the resource owner password credentials grant."""

    oauth2_password: str | None = field(default=None, repr=False)
    """Password of the resource owner password credentials grant."""

    oauth2_extra: dict[str, str] = field(default_factory=dict, repr=False)
    """Additional fields of the token request, such as a scope."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field.

        Choices may be written as text, in upper or lower case. Lists may be tuples or sets.
        Line ends around a secret are removed, as files of secrets end with one.

        Raises:
            ConfigError: There is no such field, or a list or dictionary has another type.
        """
        known = self.__dataclass_fields__
        check_field_name(name, known)
        if known[name].default_factory is list:
            value = string_list(name, value)
        elif known[name].default_factory is dict and not isinstance(value, dict):
            # The value is not in the message, because it may be a secret.
            raise ConfigError(
                f"`{name}` must be a dictionary, not {type(value).__name__}. Pass a dictionary."
            )
        if isinstance(value, str) and not known[name].repr:
            value = value.strip("\r\n")
        if isinstance(value, str) and name in CHOICES:
            choices = {key.casefold(): kind for key, kind in CHOICES[name].items()}
            value = choices.get(value.strip().casefold(), value)
        object.__setattr__(self, name, value)


CHOICES: dict[str, dict[str, object]] = {
    "file_name_strategy": {kind.name: kind for kind in FileNameStrategy},
    "error_strategy": {kind.name: kind for kind in ErrorStrategy},
    "verify_existing": {kind: kind for kind in ("size", "checksum", "none")},
    "s3_retry_mode": {kind: kind for kind in ("adaptive", "standard", "legacy")},
    "oauth2_grant": {
        kind: kind
        for kind in (
            "authorization_code",
            "client_credentials",
            "device_code",
            "resource_owner_password_credentials",
        )
    },
}
"""The values of fields with a choice, by name."""


@cache
def field_descriptions() -> dict[str, str]:
    """Return the docstring of each field, by name.

    The docstrings are read from the source code. Without source code, the result is empty.
    """
    try:
        [parsed] = ast.parse(dedent(inspect.getsource(ConfigFields))).body
    except OSError:
        return {}
    assert isinstance(parsed, ast.ClassDef)
    descriptions = {}
    for declared, following in zip(parsed.body, parsed.body[1:], strict=False):
        if (
            isinstance(declared, ast.AnnAssign)
            and isinstance(declared.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        ):
            descriptions[declared.target.id] = inspect.cleandoc(str(following.value.value))
    return descriptions
