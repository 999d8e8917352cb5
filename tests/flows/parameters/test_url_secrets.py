"""URLs with secrets among the parameters of a flow are refused before Prefect stores them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from prefect.context import FlowRunContext
from prefect.exceptions import ParameterTypeError
from prefect.schedules import Cron

from prefect_stac_asset import flows
from prefect_stac_asset.flows.parameters.validation import validated_parameters

SECRET = "pl4nted-secret"
ITEM = {"source": "https://example.com/item.json", "directory": "/data"}

URLS = {
    f"https://user:{SECRET}@example.com/item.json": "a user name or password",
    f"https://{SECRET}@example.com/item.json": "a user name or password",
    f"https://user:pa/{SECRET}@example.com/item.json": "a user name or password",
    f"https://acc.blob.core.windows.net/c/i.json?sv=1&sig={SECRET}": "`sig`",
    f"https://b.s3.amazonaws.com/i.json?X-Amz-Signature={SECRET}": "`X-Amz-Signature`",
    f"https://example.com/item.json?token={SECRET}": "`token`",
    f"https://example.com/item.json#access_token={SECRET}": "`access_token`",
    f"https://example.com/item.json?page=1;token={SECRET}": "`token`",
    f"https://example.com/item.json?next=https%3A%2F%2Fu:{SECRET}@host": "`next`",
    f"s3:/key:{SECRET}@bucket/x": "a user name or password",
    f"s3:key:{SECRET}@bucket/x": "a user name or password",
    f"//user:{SECRET}@example.com/x": "a user name or password",
    f" HTTPS://example.com/item.json?API%5FKey={SECRET}": "`API_Key`",
}


@pytest.mark.parametrize(("url", "part"), URLS.items())
@pytest.mark.parametrize("name", ["source", "directory"])
def test_url_with_a_secret_is_refused_and_not_stored(name: str, url: str, part: str) -> None:
    for flow in (flows.download_item, flows.sync, flows.audit):
        parameters: dict[str, Any] = ITEM | {name: url}
        with pytest.raises(ParameterTypeError) as caught:
            flow.validate_parameters(parameters)
        block = "credentials" if name == "source" else "destination_credentials"
        assert f"{name}: the URL contains a secret ({part}), and Prefect stores" in str(
            caught.value
        )
        assert f"pass a saved block that grants access as `{block}`" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert SECRET not in str(caught.value)
        assert SECRET not in str(flow.serialize_parameters(parameters))


@pytest.mark.parametrize(
    ("flow", "parameters"),
    [
        (flows.verify, {"directory": "/data", "report": f"s3://b/r.ndjson?sig={SECRET}"}),
        (flows.download_batch, {"share": f"s3://user:{SECRET}@bucket/share.json"}),
        (
            flows.download_item,
            ITEM | {"options": {"destination_endpoint_url": f"https://u:{SECRET}@host"}},
        ),
        # Another parameter is not valid either.
        (flows.verify, {"directory": f"s3://b/x?token={SECRET}", "repair": "perhaps"}),
    ],
)
def test_all_parameters_are_checked(flow: Any, parameters: dict[str, Any]) -> None:
    with pytest.raises(ParameterTypeError, match="the URL contains a secret") as caught:
        flow.validate_parameters(parameters)
    assert SECRET not in str(caught.value)
    assert SECRET not in str(flow.serialize_parameters(parameters))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/item.json?page=2&sort=-datetime&author=someone",
        "https://example.com/@team/item.json",
        "https://example.com/search?signed=true&token=",
        "abfs://container@account.dfs.core.windows.net/items/a.json",
        "s3://bucket/user@host/item.json",
        "file:///data/a@b/item.json",
        "/data/token=abcdef?x@y/item.json",
        "run:1@2026/item.json",
        "https://example.com/item.json?next=https://example.com/2",
        '{"type": "Feature", "links": [{"href": "https://example.com/?sig=abcdef"}]}',
    ],
)
def test_url_without_a_secret_is_accepted(url: str) -> None:
    found = validated_parameters(flows.download_item.fn, ITEM | {"source": url})
    assert found["source"] == url


def test_error_of_a_stored_run_tells_to_replace_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = ITEM | {"source": f"https://example.com/item.json?token={SECRET}"}
    stored = r"\. The stored parameters of this run show the secret, so replace it at its provider$"

    def refusal() -> str:
        with pytest.raises(ParameterTypeError) as caught:
            validated_parameters(flows.download_item.fn, parameters)
        return str(caught.value)

    assert "stored parameters of this run" not in refusal()
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(uuid4()))
    with pytest.raises(ParameterTypeError, match=stored):
        validated_parameters(flows.download_item.fn, parameters)
    # A flow that another flow calls is not stored yet.
    with FlowRunContext.model_construct():
        assert "stored parameters of this run" not in refusal()


async def test_deployment_with_a_secret_is_refused() -> None:
    secret = {"source": f"https://example.com/item.json?token={SECRET}"}
    schedule = Cron("0 0 * * *", parameters=secret)
    for arguments in (
        {"parameters": secret},
        {"schedule": schedule},
        {"schedules": [schedule]},
        {"schedules": [{"cron": "0 0 * * *", "parameters": secret}]},
    ):
        with pytest.raises(ParameterTypeError, match=r"^`parameters`: source: the URL") as caught:
            await flows.download_item.ato_deployment("nightly", **arguments)  # type: ignore[arg-type]
        assert SECRET not in str(caught.value)
    schedule = Cron("0 0 * * *", parameters=ITEM)
    await flows.download_item.ato_deployment("nightly", parameters=ITEM, schedule=schedule)
