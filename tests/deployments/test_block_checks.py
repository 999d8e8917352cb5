"""Checks of credential blocks on the server of `make up`. `tests/browser` tests the form."""

from __future__ import annotations

from typing import Any

import pytest

from prefect_stac_asset.deployments.block_checks import check_block

MASKED = "********"


@pytest.mark.parametrize(
    ("slug", "data", "has_all_secrets", "reason"),
    [
        ("http-credentials", {"hosts": ["a/b"], "token": "s3same"}, True, "hosts: 'a/b' is not a"),
        ("http-credentials", {"hosts": ["a/b"], "headers": MASKED}, False, "hosts: 'a/b' is not a"),
        ("http-credentials", {"hosts": ["a"]}, True, "The block has no credentials. Set `token`"),
        ("s3-credentials", {"secret_access_key": "s3same"}, True, "The S3 access key is incompl"),
        ("oauth2-credentials", {"grant": "none", "hosts": ["a"]}, False, "grant: Input should be"),
    ],
)
def test_invalid_block_is_refused_with_reason_and_without_secrets(
    slug: str, data: dict[str, Any], has_all_secrets: bool, reason: str
) -> None:
    with pytest.raises(ValueError, match="The block is invalid: ") as caught:
        check_block(slug, data, has_all_secrets)
    assert reason in str(caught.value)
    assert "s3same" not in str(caught.value)


@pytest.mark.parametrize(
    ("slug", "data", "has_all_secrets"),
    [
        ("http-credentials", {"hosts": ["a"], "token": "t"}, True),
        ("http-credentials", {"hosts": ["a"], "token": MASKED, "headers": MASKED}, False),
        ("earthdata-credentials", {}, True),
        ("secret", {"value": 1}, True),
    ],
)
def test_valid_and_other_blocks_are_accepted(
    slug: str, data: dict[str, Any], has_all_secrets: bool
) -> None:
    check_block(slug, data, has_all_secrets)
