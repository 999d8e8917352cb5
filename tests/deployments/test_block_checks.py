"""Checks of credential blocks on the server of `make up`.

`test_check_server.py` tests the requests to a server, and `tests/browser` tests the form.
"""

from __future__ import annotations

from typing import Any

import pytest

from prefect_stac_asset.deployments.block_checks import check_block, unmasked

MASKED = "********"


@pytest.mark.parametrize(
    ("slug", "data", "reason"),
    [
        ("http-credentials", {"hosts": ["a/b"], "token": "s3same"}, "hosts: 'a/b' is not a"),
        ("http-credentials", {"hosts": ["a"]}, "The block has no credentials. Set `token`"),
        ("http-credentials", {"hosts": ["a"], "headers": "s3same"}, "headers: "),
        ("s3-credentials", {"secret_access_key": "s3same"}, "The S3 access key is incompl"),
        ("oauth2-credentials", {"grant": "none", "hosts": ["a"]}, "grant: Input should be"),
    ],
)
def test_invalid_block_is_refused_with_reason_and_without_secrets(
    slug: str, data: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match="The block is invalid: ") as caught:
        check_block(slug, data)
    assert reason in str(caught.value)
    assert "s3same" not in str(caught.value)


@pytest.mark.parametrize(
    ("slug", "data"),
    [
        ("http-credentials", {"hosts": ["a"], "token": "t"}),
        ("earthdata-credentials", {}),
        ("secret", {"value": 1}),
    ],
)
def test_valid_and_other_blocks_are_accepted(slug: str, data: dict[str, Any]) -> None:
    check_block(slug, data)


def test_masked_secrets_of_a_form_are_the_saved_secrets() -> None:
    saved = {"hosts": ["a"], "token": "t", "headers": {"X-A": "1", "X-B": "2"}}
    given = {"token": MASKED, "password": MASKED, "headers": {"X-A": MASKED, "X-B": "3"}}
    assert unmasked(given, saved) == {
        "token": "t",
        "password": MASKED,
        "headers": {"X-A": "1", "X-B": "3"},
    }
