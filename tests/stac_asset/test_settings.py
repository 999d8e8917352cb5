"""Configuration from environment variables and `.env` files."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from stac_asset import Config, ConfigError, ErrorStrategy, FileNameStrategy
from stac_asset.config_fields import field_descriptions
from stac_asset.settings import Settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Environment without configuration, and a working directory without `.env` file."""
    for name in list(os.environ):
        if name.upper().startswith("STAC_ASSET_") or name.upper() == "EARTHDATA_PAT":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def write_dotenv(*lines: str) -> None:
    """Write a `.env` file in the working directory."""
    Path(".env").write_text("\n".join(lines) + "\n")


def test_empty_environment_yields_default_configuration() -> None:
    assert Config.from_env() == Config()


def test_settings_have_the_fields_and_descriptions_of_config() -> None:
    fields = {field.name: field for field in dataclasses.fields(Config)}
    assert list(Settings.model_fields) == list(fields)
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.get_default(call_default_factory=True) == getattr(Config(), name)
        assert field.repr == fields[name].repr
        assert field.description == field_descriptions()[name]
    assert "Mutually exclusive" in field_descriptions()["include"]


def test_arguments_override_environment_dotenv_and_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Config.from_env().s3_region_name == "us-west-2"
    write_dotenv("STAC_ASSET_S3_REGION_NAME=from-dotenv", "STAC_ASSET_WARN=true")
    assert Config.from_env().s3_region_name == "from-dotenv"
    monkeypatch.setenv("STAC_ASSET_S3_REGION_NAME", "from-environment")
    assert Config.from_env().s3_region_name == "from-environment"
    assert Config.from_env(s3_region_name="from-argument").s3_region_name == "from-argument"
    assert Config.from_env().warn is True


def test_environment_is_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    for region in ("a", "b"):
        monkeypatch.setenv("STAC_ASSET_S3_REGION_NAME", region)
        assert Config.from_env().s3_region_name == region


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B04,B08", ["B04", "B08"]),
        (" B04 , B08 ,", ["B04", "B08"]),
        ("B04", ["B04"]),
        ('["B04", "a,b"]', ["B04", "a,b"]),
        ("[]", []),
        ("", []),
    ],
)
def test_list_is_parsed_from_commas_or_json(
    monkeypatch: pytest.MonkeyPatch, text: str, expected: list[str]
) -> None:
    monkeypatch.setenv("STAC_ASSET_INCLUDE", text)
    assert Config.from_env().include == expected
    monkeypatch.delenv("STAC_ASSET_INCLUDE")
    write_dotenv(f"STAC_ASSET_INCLUDE='{text}'")
    assert Config.from_env().include == expected


def test_all_field_types_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "HTTP_HEADERS": '{"X-Key": "abc", "Accept": "*/*"}',
        "FILE_NAME_STRATEGY": "KEY",
        "ERROR_STRATEGY": "keep",
        "OVERWRITE": "true",
        "S3_MAX_ATTEMPTS": "3",
        "HTTP_CLIENT_TIMEOUT": "2.5",
        "VERIFY_EXISTING": "checksum",
        "ALLOW_LOCAL_HREFS": "0",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"STAC_ASSET_{name}", value)
    assert Config.from_env() == Config(
        http_headers={"X-Key": "abc", "Accept": "*/*"},
        file_name_strategy=FileNameStrategy.KEY,
        error_strategy=ErrorStrategy.KEEP,
        overwrite=True,
        s3_max_attempts=3,
        http_client_timeout=2.5,
        verify_existing="checksum",
        allow_local_hrefs=False,
    )


def test_arguments_accept_field_type_or_text() -> None:
    config = Config.from_env(
        error_strategy=ErrorStrategy.KEEP, file_name_strategy="key", include=["a"]
    )
    assert config.error_strategy is ErrorStrategy.KEEP
    assert config.file_name_strategy is FileNameStrategy.KEY
    assert config.include == ["a"]


def test_earthdata_pat_is_fallback_for_earthdata_token(monkeypatch: pytest.MonkeyPatch) -> None:
    write_dotenv("EARTHDATA_PAT=pat-of-dotenv")
    assert Config.from_env().earthdata_token == "pat-of-dotenv"
    write_dotenv("EARTHDATA_PAT=pat-of-dotenv", "STAC_ASSET_EARTHDATA_TOKEN=own-of-dotenv")
    assert Config.from_env().earthdata_token == "own-of-dotenv"
    monkeypatch.setenv("EARTHDATA_PAT", "pat")
    assert Config.from_env().earthdata_token == "pat"
    monkeypatch.setenv("STAC_ASSET_EARTHDATA_TOKEN", "own")
    assert Config.from_env().earthdata_token == "own"
    monkeypatch.setenv("STAC_ASSET_EARTHDATA_TOKEN", "")
    assert Config.from_env().earthdata_token == "pat"
    assert Config.from_env(earthdata_token="argument").earthdata_token == "argument"
    assert Config.from_env(earthdata_token=None).earthdata_token is None


def test_variables_of_other_programs_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INCLUDE", "EARTHDATA_TOKEN", "STAC_ASSETS"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("STAC_ASSET_UNKNOWN", "")  # Like other empty variables.
    write_dotenv("EXCLUDE=x", "FOO=bar", "export BAR=1", "STAC_ASSET_UNKNOWN=")
    assert Config.from_env() == Config()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("STAC_ASSET_INCLUDES", "STAC_ASSET_INCLUDE"),
        ("stac_asset_includes", "STAC_ASSET_INCLUDE"),
        ("STAC_ASSET_S3_REGION", "STAC_ASSET_S3_REGION_NAME"),
        ("STAC_ASSET_CHECKSUM", "STAC_ASSET_WRITE_CHECKSUMS"),
    ],
)
@pytest.mark.parametrize("source", ["environment", "dotenv"])
def test_unknown_variable_is_refused_with_the_nearest_name(
    monkeypatch: pytest.MonkeyPatch, name: str, nearest: str, source: str
) -> None:
    if source == "environment":
        monkeypatch.setenv(name, SECRET)
    else:
        write_dotenv(f"{name}={SECRET}")
    with pytest.raises(ConfigError) as error_info:
        Config.from_env()
    text = str(error_info.value)
    assert text.startswith(f"Variable `{name}` ")
    assert ("in the file .env" in text) == (source == "dotenv")
    assert f"The nearest name is `{nearest}" in text
    assert SECRET not in text
    with pytest.raises(ConfigError, match="`STAC_ASSET_"):
        Settings.load()


def test_unknown_variable_without_similar_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAC_ASSET_QQQ", "x")
    with pytest.raises(ConfigError, match=r"not the name of an option\. Correct or remove"):
        Config.from_env()


@pytest.mark.parametrize("text", ["size", "SIZE", " Checksum "])
def test_choices_are_read_in_any_case(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("STAC_ASSET_VERIFY_EXISTING", text)
    assert Config.from_env().verify_existing == text.strip().lower()


SECRET = "hunter2"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("S3_MAX_ATTEMPTS", SECRET, "valid integer"),
        ("WARN", SECRET, "valid boolean"),
        ("ERROR_STRATEGY", SECRET, "one of KEEP, DELETE"),
        ("VERIFY_EXISTING", SECRET, "'size', 'checksum' or 'none'"),
        ("INCLUDE", f'["{SECRET}"', "valid JSON"),
        ("INCLUDE", f'[["{SECRET}"]]', "valid string"),
        ("HTTP_HEADERS", f"Authorization: {SECRET}", "valid JSON"),
        ("HTTP_HEADERS", f'["{SECRET}"]', "valid dictionary"),
        ("OAUTH2_EXTRA", f'{{"scope": ["{SECRET}"]}}', "valid string"),
    ],
)
@pytest.mark.parametrize("source", ["environment", "dotenv"])
def test_error_of_invalid_value_contains_variable_name_but_not_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str, source: str
) -> None:
    if source == "environment":
        monkeypatch.setenv(f"STAC_ASSET_{name}", value)
    else:
        write_dotenv(f"STAC_ASSET_{name}='{value}'")
    with pytest.raises(ConfigError) as error_info:
        Config.from_env()
    text = str(error_info.value)
    assert text.startswith(f"`STAC_ASSET_{name}` is not valid: ")
    assert reason in text
    assert SECRET not in text
    assert "\n" not in text


def test_error_of_invalid_argument_contains_argument_name() -> None:
    with pytest.raises(ConfigError, match=r"^`s3_max_attempts` is not valid: ") as error_info:
        Config.from_env(s3_max_attempts=SECRET)
    assert SECRET not in str(error_info.value)
    with pytest.raises(ConfigError, match=r"^`earthdata_token` is not valid: "):
        Config.from_env(earthdata_token=5)
    with pytest.raises(ConfigError, match="'nonsense' is not a configuration field"):
        Config.from_env(nonsense=1)
    with pytest.raises(ConfigError, match=r"field\. The nearest name is `include`"):
        Config.from_env(includes=["a"])


def test_contradictory_fields_are_rejected_by_validate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STAC_ASSET_INCLUDE", "a")
    monkeypatch.setenv("STAC_ASSET_EXCLUDE", "b")
    config = Config.from_env()
    with pytest.raises(ConfigError, match="`include` and `exclude`"):
        config.validate()


def test_dotenv_in_another_encoding_is_rejected() -> None:
    Path(".env").write_bytes(b"STAC_ASSET_WARN=\xff\xfe\n")
    with pytest.raises(ConfigError, match=r"^the file \.env cannot be read: it is not UTF-8 text$"):
        Config.from_env()


def test_repr_of_settings_contains_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAC_ASSET_OAUTH2_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("EARTHDATA_PAT", SECRET)
    settings = Settings.load()
    assert settings.config().earthdata_token == SECRET
    assert SECRET not in repr(settings) + str(settings)
