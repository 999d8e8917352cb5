"""The block `Mirror` on a real Prefect server."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentCreate
from prefect.exceptions import ParameterTypeError
from prefect.testing.standard_test_suites import BlockStandardTestSuite
from pydantic import ValidationError

from prefect_stac_asset import flows
from prefect_stac_asset.blocks import BlockReference, HttpCredentials, ref
from prefect_stac_asset.flows import ApproveAbove, DownloadOptions, Mirror, Search
from stac_asset.errors import ConfigError, DownloadError
from stac_asset.testing import Origin
from tests.support.flow_inputs import put_item_collection

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=1)
SECRET = "pl4nted-s3cret"


class TestStandard(BlockStandardTestSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return Mirror

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        """Prefect shows its own picture for block types without a logo."""
        assert block._logo_url is None


def test_fields_are_the_parameters_of_the_flow() -> None:
    parameters = inspect.signature(flows.sync.fn).parameters
    assert list(Mirror.model_fields) == [name for name in parameters if name != "mirror"]
    properties = flows.sync.parameters.properties
    titles = {name: one["title"] for name, one in properties.items() if "title" in one}
    for name in titles.keys() - {"mirror"}:
        assert Mirror.model_fields[name].title == titles[name]
    assert flows.sync.parameters.required == []
    assert Mirror.model_json_schema()["required"] == ["source", "directory"]
    assert Mirror.get_block_type_slug() == "stac-mirror"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"source": ""},
        {"source": None},
        {"source": f"https://user:{SECRET}@example.com/api"},
        {"directory": f"s3://bucket/mirror?sig={SECRET}"},
        {"max_item": 1},
        {"options": {"includ": []}},
        {"search": {"collection": []}},
        {"credentials": SECRET},
        {"credentials": {"token": SECRET}},
        {"credentials": [HttpCredentials(hosts=["example.com"], token=SECRET)]},
        {"destination_credentials": "no-name"},
        {"approve_above": {"bytes": -1}},
        {"mirror": "stac-mirror/other"},
    ],
)
def test_invalid_fields_are_refused_without_their_values(fields: dict[str, Any]) -> None:
    given = {"source": "a.json", "directory": "b"} | fields if fields else {}
    with pytest.raises(ValidationError) as caught:
        Mirror(**given)
    assert SECRET not in str(caught.value)


def test_credentials_are_references() -> None:
    for given in (
        "http-credentials/a",
        ref("http-credentials/a"),
        BlockReference("http-credentials/a"),
        ["http-credentials/a"],
    ):
        mirror = Mirror(source="a", directory="b", credentials=given)
        assert mirror.credentials == ["http-credentials/a"]
        one = given[0] if isinstance(given, list) else given
        same = Mirror(source="a", directory="b", destination_credentials=one)
        assert same.destination_credentials == "http-credentials/a"
        assert mirror.parameters()["credentials"] == [ref("http-credentials/a")]


async def save(**fields: Any) -> tuple[Mirror, str]:
    """Save a mirror under a new name, and return the block and the name."""
    name = f"m-{uuid4().hex[:8]}"
    await Mirror(**fields).save(name)
    return await Mirror.aload(name), f"stac-mirror/{name}"


async def test_saved_mirror_is_planned_and_run_with_credentials_by_reference(
    origin: Origin, tmp_path: Path
) -> None:
    origin.require("Authorization", f"Bearer {SECRET}")
    credentials = HttpCredentials(hosts=[origin.url], token=SECRET)
    name = f"c-{uuid4().hex[:8]}"
    await credentials.save(name)
    loaded = await HttpCredentials.aload(name)
    mirror, slug = await save(
        source=put_item_collection(origin, 3, "a", "b"),
        directory=str(tmp_path / "m"),
        search=Search(ids=["item-0", "item-1"]),
        options=OPTIONS.model_copy(update={"include": ["a"]}),
        approve_above=ApproveAbove(bytes=10**12),
        credentials=loaded,
    )
    async with get_client() as client:
        document = await client.read_block_document_by_name(
            slug.partition("/")[2], "stac-mirror", include_secrets=True
        )
    assert SECRET not in json.dumps(document.data)
    assert document.data["credentials"] == [f"http-credentials/{name}"]
    assert document.data["options"].keys() <= {"include", "retry_wait", "http_max_attempts"}

    planned = await mirror.plan()
    assert (planned.new, planned.dry_run) == (2, True)
    assert planned.plan is not None
    assert planned.plan.items == {"new": 2}
    assert not (tmp_path / "m").exists()

    run = await mirror.trigger()
    with pytest.raises(RuntimeError, match="has not ended"):
        await run.fetch_result()
    await run.wait_for_completion()
    result = await run.fetch_result()
    assert (result.new, result.downloaded) == (2, 2)

    state = await flows.sync(mirror=ref(slug), return_state=True)
    assert (state.name, (await state.aresult()).unchanged) == ("NothingNew", 2)
    async with get_client() as client:
        flow_run = await client.read_flow_run(state.state_details.flow_run_id)
    assert flow_run.parameters["mirror"] == ref(slug)
    assert SECRET not in json.dumps(flow_run.parameters)
    assert flow_run.name == f"sync items.json to {tmp_path / 'm'}"
    state = await flows.sync(mirror=mirror, dry_run=True, return_state=True)
    assert (await state.aresult()).dry_run

    origin.remove("/2/a.tif")
    changed = mirror.model_copy(update={"search": Search()})
    run = await changed.trigger()
    with pytest.raises(DownloadError):
        await run.wait_for_completion()
    with pytest.raises(DownloadError):
        await run.fetch_result()


async def test_mirror_and_single_parameters_together_or_neither_are_refused(
    tmp_path: Path,
) -> None:
    mirror = Mirror(source="items.json", directory=str(tmp_path))
    with pytest.raises(ConfigError, match="`mirror` is set, and so are `max_items`, which"):
        await flows.sync(mirror=mirror, max_items=3)
    with pytest.raises(ConfigError, match="Remove `source`, `search`, or remove `mirror`"):
        await flows.sync("items.json", search=Search(ids=["a"]), mirror=mirror)
    with pytest.raises(ConfigError, match="`source` and `directory` are not set"):
        await flows.sync()
    with pytest.raises(ConfigError, match="`directory` is not set"):
        await flows.sync("items.json")
    with pytest.raises(ParameterTypeError, match="`mirror` must be a saved block or reference"):
        await flows.sync(mirror={"source": "a", "directory": "b"})
    with pytest.raises(ConfigError, match=r"is not saved. Run `stac-asset blocks`"):
        await flows.sync(mirror=ref("stac-mirror/absent"))
    with pytest.raises(ConfigError, match="`mirror` is a block of type 'http-credentials'"):
        await flows.sync(mirror=HttpCredentials(hosts=["example.com"], token=SECRET))
    with pytest.raises(ConfigError, match="is not saved and cannot be referenced"):
        await mirror.trigger("sync/absent")


async def test_mirror_of_an_earlier_release_has_defaults_for_new_fields(tmp_path: Path) -> None:
    await Mirror.register_type_and_schema()
    name = f"m-{uuid4().hex[:8]}"
    async with get_client() as client:
        kind = await client.read_block_type_by_slug("stac-mirror")
        await client.create_block_document(
            BlockDocumentCreate(
                name=name,
                data={"source": "items.json", "directory": str(tmp_path), "max_items": 3},
                block_type_id=kind.id,
                block_schema_id=Mirror._block_schema_id,
            )
        )
    mirror = await Mirror.aload(name)
    expected = Mirror(source="items.json", directory=str(tmp_path), max_items=3)
    assert mirror.parameters() == expected.parameters()
