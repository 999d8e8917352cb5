"""Prefect's UI in a real browser: forms, the artifacts of a run, and the tutorial.

`make pictures` updates the screenshots in `docs/images`.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from prefect.blocks.core import Block

from examples.archive import TOKEN
from prefect_stac_asset.blocks.registry import OUR_BLOCKS
from stac_asset.testing import Origin
from tests.support.browser import field, in_thread, submit, take_screenshot
from tests.support.items import item_document, make_item
from tests.support.scheduled_mirror import call_api, wait_for
from tests.support.stacks import SHORT_POLLING, RunningStack, running_stack
from tests.support.tutorial import PAGE, Tutorial

# Without Chromium, the tests are skipped before the other fixtures start.
pytestmark = pytest.mark.usefixtures("chromium")


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    # The screenshots show this path, so it must be short.
    with (
        tempfile.TemporaryDirectory(prefix="up-") as folder,
        running_stack(Path(folder), **SHORT_POLLING) as running,
    ):
        yield running


def test_run_form_starts_run_with_artifacts(
    stack: RunningStack, page: Page, blocked_hosts: set[str], origin: Origin
) -> None:
    href = make_item(origin, "visual", "thumbnail")
    origin.require("Authorization", "Bearer s3same")
    for name, host in (("archive", origin.url), ("another", "https://example.com")):
        stack.save_block("http-credentials", name, hosts=[host], token="s3same")

    page.goto(stack.url)
    page.get_by_role("link", name="Deployments", exact=True).click()
    # Links to the flow have the same text.
    deployments = page.locator("a[href*='/deployments/deployment/']")
    deployments.get_by_text("download-item", exact=True).click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Custom run").click()

    field(page, "Item").locator("textarea").fill(href)
    field(page, "Directory").locator("textarea").fill("from-the-form")
    credentials = field(page, "Credentials (Optional)")
    credentials.get_by_role("tab", name="HttpCredentials").click()
    credentials.get_by_role("button", name="Select a block").click()
    page.get_by_role("option", name="archive", exact=True).click()
    expect(page.get_by_role("option", name="archive", exact=True)).to_have_count(0)
    take_screenshot(page, "run-form")
    expect(page.get_by_text("Include only these assets")).to_have_count(0)  # Collapsed.
    field(page, "Options (Optional)").get_by_role("tab", name="Set").first.click()
    only = field(page, "Include only these assets (Optional)")
    only.get_by_role("button", name="Add item").click()
    only.locator("textarea").fill("visual")
    title = "Write checksums and sizes to documents (Optional)"
    field(page, title).get_by_role("switch").click()
    field(page, "Maximum HTTP attempts (Optional)").locator("input").fill("3")
    (reference,) = submit(page).request.post_data_json["parameters"]["credentials"].items()
    name, document = reference
    assert name == "$ref"
    assert document.keys() == {"block_document_id"}

    page.get_by_role("link", name="download item.json to from-the-form").first.click()
    expect(page.get_by_text("Completed", exact=True).first).to_be_visible()
    page.get_by_role("tab", name="Artifacts").click()
    expect(page.get_by_text("stac-asset-summary")).to_be_visible()
    page.get_by_text("stac-asset-summary").click()
    page.locator("a[href*='/artifacts/artifact/']").first.click()
    expect(page.get_by_text("1 of 1 assets downloaded").first).to_be_visible()
    expect(page.get_by_text("downloaded").first).to_be_visible()
    take_screenshot(page, "artifact")

    folder = stack.folder / "data" / "from-the-form"
    assert (folder / "visual.tif").read_bytes() == origin.content("/visual.tif")
    assert not (folder / "thumbnail.tif").exists()
    assert "file:checksum" in (folder / "the-item.json").read_text()
    # The UI requests the settings of its telemetry although telemetry is disabled.
    assert blocked_hosts <= {"sr-client-cfg.amplitude.com"}


def test_stored_options_are_visible_changeable_and_removable(
    stack: RunningStack, page: Page, origin: Origin, tmp_path: Path
) -> None:
    items = [item_document(origin, "visual", "thumbnail")]
    document = json.dumps({"type": "FeatureCollection", "features": items})
    parameters = {
        "source": origin.put("/items.json", document.encode()),
        "directory": "stored",
        # A file of items supports no filter: the run fails unless the form removes the filter.
        "search": {"ids": ["the-item"], "filter": {"op": "isNull", "args": [{"property": "a"}]}},
        "options": {
            "include": ["visual"],
            "http_max_attempts": 3,
            "host_connections": {"127.0.0.1": 2},
            "s3_region_name": "eu-central-1",
            "oauth2_pkce": False,
            "fsync": False,
        },
    }
    deployment = {
        "name": "stored",
        "description": "A mirror with stored options.",
        "entrypoint": "prefect_stac_asset.flows.sync",
        "parameters": parameters,
        "concurrency_limit": {"limit": 1, "collision_strategy": "CANCEL_NEW"},
        "work_pool": {"name": "stac-asset"},
    }
    file = tmp_path / "prefect.yaml"
    file.write_text(json.dumps({"name": "test", "pull": [], "deployments": [deployment]}))
    in_thread(lambda: stack.deploy(file))
    found = call_api("GET", f"{stack.url}/api/deployments/name/sync/stored")
    page.goto(f"{stack.url}/v2/deployments/deployment/{found['id']}/run")

    expect(field(page, "Item ids (Optional)").locator("textarea")).to_have_value("the-item")
    only = field(page, "Include only these assets (Optional)")
    expect(only.locator("textarea")).to_have_value("visual")
    hosts = field(page, "Maximum connections to individual hosts (Optional)")
    expect(hosts.get_by_text('"127.0.0.1": 2')).to_be_visible()
    expect(field(page, "S3 region (Optional)").locator("textarea")).to_have_value("eu-central-1")
    for title in ("OAuth2 with PKCE", "Sync files to the disk"):
        expect(field(page, f"{title} (Optional)").get_by_role("switch")).not_to_be_checked()
    attempts = field(page, "Maximum HTTP attempts (Optional)").locator("input")
    expect(attempts).to_have_value("3")
    criterion = field(page, "Filter (Optional)")
    expect(criterion.get_by_text('"op": "isNull"')).to_be_visible()
    expect(page.get_by_text("Write checksums")).to_have_count(0)  # `sync` always writes them.

    attempts.fill("4")
    criterion.get_by_role("tab", name="None").click()
    run_id = submit(page).json()["id"]
    states = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
    run: dict[str, Any] = {}

    def has_ended() -> bool:
        run.update(call_api("GET", f"{stack.url}/api/flow_runs/{run_id}"))
        return run["state"]["type"] in states

    wait_for(has_ended, "end of the flow run")
    assert run["state"]["type"] == "COMPLETED", run["state"]
    expected = parameters["options"] | {"http_max_attempts": 4}  # type: ignore[operator]
    assert expected.items() <= run["parameters"]["options"].items()
    assert run["parameters"]["search"]["filter"] is None
    folder = stack.folder / "data" / "stored"
    assert [path.name for path in folder.rglob("*.tif")] == ["visual.tif"]


def test_saved_mirror_is_picked_in_place_of_required_parameters(
    stack: RunningStack, page: Page, origin: Origin, tmp_path: Path
) -> None:
    items = {"type": "FeatureCollection", "features": [item_document(origin, "visual")]}
    source = origin.put("/items.json", json.dumps(items).encode())
    stack.save_block("stac-mirror", "picked", source=source, directory="picked")
    deployment = {
        "name": "saved",
        "description": "A mirror of a saved block.",
        "entrypoint": "prefect_stac_asset.flows.sync",
        "concurrency_limit": {"limit": 1, "collision_strategy": "CANCEL_NEW"},
        "work_pool": {"name": "stac-asset"},
    }
    file = tmp_path / "prefect.yaml"
    file.write_text(json.dumps({"name": "test", "pull": [], "deployments": [deployment]}))
    in_thread(lambda: stack.deploy(file))
    found = call_api("GET", f"{stack.url}/api/deployments/name/sync/saved")
    page.goto(f"{stack.url}/v2/deployments/deployment/{found['id']}/run")
    mirror = field(page, "Mirror (Optional)")
    mirror.get_by_role("tab", name="Mirror").click()
    mirror.get_by_role("button", name="Select a block").click()
    page.get_by_role("option", name="picked", exact=True).click()
    run_id = submit(page).json()["id"]
    wait_for(
        lambda: call_api("GET", f"{stack.url}/api/flow_runs/{run_id}")["state_name"] == "Completed",
        "end of the flow run",
    )
    folder = stack.folder / "data" / "picked"
    assert [path.name for path in folder.rglob("*.tif")] == ["visual.tif"]


def scheduled_runs(stack: RunningStack, name: str) -> list[dict[str, Any]]:
    """Return the runs that the scheduler of the server has created for a deployment."""
    found = call_api("GET", f"{stack.url}/api/deployments/name/{name}")
    wanted = {
        "deployments": {"id": {"any_": [found["id"]]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
    }
    runs: list[dict[str, Any]] = call_api("POST", f"{stack.url}/api/flow_runs/filter", **wanted)
    return runs


def test_tutorial_ends_in_a_scheduled_mirror(
    stack: RunningStack, page: Page, tmp_path: Path
) -> None:
    with Tutorial.begin(stack, tmp_path) as tutorial:
        tutorial.register(0)
        page.goto(f"{stack.url}/v2/blocks/catalog/http-credentials/create")
        page.locator("input[name=blockName]").fill("tutorial")
        hosts = field(page, "Hosts")
        hosts.get_by_role("button", name="Add item").click()
        hosts.locator("textarea").fill(tutorial.host)
        token = field(page, "Bearer token (Optional)")
        token.get_by_role("tab", name="password").click()
        token.locator("input").fill(TOKEN)
        take_screenshot(page, "tutorial-block")
        page.locator("button[type=submit]").click()
        expect(page).to_have_url(re.compile("/blocks/block/"))

        found = call_api("GET", f"{stack.url}/api/deployments/name/sync/nightly")
        page.goto(f"{stack.url}/v2/deployments/deployment/{found['id']}/run")
        credentials = field(page, "Credentials (Optional)")
        credentials.get_by_role("tab", name="HttpCredentials").click()
        credentials.get_by_role("button", name="Select a block").click()
        page.get_by_role("option", name="tutorial", exact=True).click()
        expect(page.get_by_role("option", name="tutorial", exact=True)).to_have_count(0)
        take_screenshot(page, "tutorial-form")
        run_id = submit(page).json()["id"]
        assert tutorial.message_of(run_id).startswith("4 items found: 4 new")
        page.goto(f"{stack.url}/v2/runs/flow-run/{run_id}")
        expect(page.get_by_text("Completed", exact=True).first).to_be_visible()
        take_screenshot(page, "tutorial-run")
        page.get_by_role("tab", name="Artifacts").click()
        page.get_by_text("stac-asset-summary").click()
        page.locator("a[href*='/artifacts/artifact/']").first.click()
        expect(page.get_by_text("12 of 12 assets downloaded").first).to_be_visible()
        # In one call: the page replaces the image when the artifact arrives again.
        page.locator("main img").last.evaluate("image => image.scrollIntoView()")
        take_screenshot(page, "tutorial-artifact")

        tutorial.register(1)
        for name in ("sync/nightly", "audit/weekly"):
            wait_for(partial(scheduled_runs, stack, name), f"next run of {name}")
        status = tutorial.status()
        assert "next run     sync/nightly" in status
        assert "next run     audit/weekly" in status
        tutorial.archive.publish()
        message = tutorial.message_of(tutorial.quick_run("sync/nightly"))
        assert message.startswith("5 items found: 1 new")
        tutorial.damage_and_repair()
        message = tutorial.message_of(tutorial.quick_run("audit/weekly"))
        assert f"the message `{message}`" in " ".join(PAGE.read_text().split())


def test_block_form_refuses_invalid_block(stack: RunningStack, page: Page) -> None:
    page.goto(f"{stack.url}/v2/blocks/catalog/http-credentials/create")
    page.locator("input[name=blockName]").fill("invalid")
    hosts = field(page, "Hosts")
    hosts.get_by_role("button", name="Add item").click()
    hosts.locator("textarea").fill("127.0.0.1:7811/files")
    with page.expect_response(lambda answer: answer.url.endswith("/block_documents/")) as saved:
        page.locator("button[type=submit]").click()
    assert saved.value.status == 400
    assert saved.value.json()["detail"] == (
        "The block is invalid: hosts: '127.0.0.1:7811/files' is not a host pattern. Use "
        "example.com, *.example.com or http://example.com:8080."
    )
    expect(page.get_by_text("created successfully")).to_have_count(0)


@pytest.mark.parametrize("kind", OUR_BLOCKS, ids=lambda kind: kind.__name__)
def test_block_form_has_all_fields(stack: RunningStack, page: Page, kind: type[Block]) -> None:
    page.goto(f"{stack.url}/blocks/catalog/{kind.get_block_type_slug()}/create")
    for name, info in kind.model_fields.items():
        title = re.compile(rf"^{info.title}( \(Optional\))?$")
        expect(page.get_by_text(title).first, name).to_be_visible()
