"""The directory of a run: what is of no use is refused first, and what is, is used."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.parameters.destination import checked_directory
from stac_asset import Config
from stac_asset.errors import DestinationError
from stac_asset.testing import Origin
from tests.flows.reading import read_back
from tests.flows.test_states import make_items
from tests.make_collection import collection_document
from tests.make_item import make_item

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=2)
FLOWS = {
    "item": flows.download_item,
    "collection": flows.download_collection,
    "item collection": flows.download_item_collection,
    "mirror": flows.sync,
}


async def run(name: str, origin: Origin, directory: str, **options: Any) -> State[Any]:
    """Runs one of the flows, over a source of its kind."""
    if name == "item":
        href = make_item(origin, "a")
    elif name == "collection":
        document = collection_document(origin, "a")
        href = origin.put("/collection.json", json.dumps(document).encode())
    else:
        href = make_items(origin, 2, "a")
    chosen = OPTIONS.model_copy(update=options)
    return await FLOWS[name](href, directory, options=chosen, return_state=True)  # type: ignore


@pytest.mark.parametrize("name", FLOWS)
async def test_directory_that_cannot_be_made_is_refused_before_anything_is_asked(
    origin: Origin, name: str
) -> None:
    options = {} if name == "mirror" else {"check_first": True}  # Which mirrors do not take.
    state = await run(name, origin, "/dev/null/data", **options)
    await read_back(state, 0)
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, DestinationError)
    assert str(error) == "Cannot create directory '/dev/null/data': Not a directory"
    assert origin.requests == []


@pytest.mark.parametrize("name", ["item", "item collection", "mirror"])
async def test_directory_of_which_only_making_it_tells_is_refused_before_any_task(
    origin: Origin, name: str
) -> None:
    state = await run(name, origin, "/proc/data")
    await read_back(state, 0)
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, DestinationError)
    assert str(error).startswith("Cannot create directory '/proc/data': ")
    assert [request for request in origin.requests if not request.path.endswith(".json")] == []


@pytest.mark.parametrize("name", FLOWS)
async def test_directory_that_must_not_be_made_is_not(
    origin: Origin, tmp_path: Path, name: str
) -> None:
    place = tmp_path / "new"
    state = await run(name, origin, str(place), make_directory=False)
    await read_back(state, 0)
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, DestinationError)
    assert str(error) == (
        f"Directory '{place}' does not exist. Create it or set `make_directory=True`."
    )
    assert not place.exists()
    assert origin.requests == []


@pytest.mark.parametrize("name", ["item collection", "mirror"])
async def test_folders_in_a_directory_are_made_in_any_case(
    origin: Origin, tmp_path: Path, name: str
) -> None:
    state = await run(name, origin, str(tmp_path), make_directory=False)
    result = await state.aresult()
    assert result.downloaded == 2
    assert Path(result.document).parent == tmp_path


async def test_document_may_lie_in_a_folder_of_the_directory(
    origin: Origin, tmp_path: Path
) -> None:
    options = OPTIONS.model_copy(update={"make_directory": False})
    href = origin.put("/c.json", json.dumps(collection_document(origin, "a")).encode())
    one = await flows.download_collection(href, str(tmp_path), options, file_name="sub/one.json")
    assert Path(one.document) == tmp_path / "sub" / "one.json"
    assert one.collection().assets["a"].href == "../a.png"
    many = await flows.download_item_collection(
        make_items(origin, 2, "a"), str(tmp_path), options, file_name="more/items.json"
    )
    assert Path(many.document) == tmp_path / "more" / "items.json"
    assert many.directory == str(tmp_path)
    assert [Path(asset.href).is_file() for i in many.items() for asset in i.assets.values()] == [
        True,
        True,
    ]


def refusal(directory: Path | str, config: Config | None = None) -> str:
    with pytest.raises(DestinationError) as caught:
        checked_directory(str(directory), config or Config())
    return str(caught.value)


def test_what_is_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for place in (tmp_path / "file", tmp_path / "file" / "a" / "b", tmp_path / "link" / "a"):
        assert refusal(place) == f"Cannot create directory '{place}': Not a directory"
    assert ": File name too long" in refusal(tmp_path / ("x" * 300) / "a")
    assert ": embedded null byte" in refusal(f"{tmp_path}/a\0b")


@pytest.fixture
def closed() -> Iterator[Path]:
    """A directory to which this process cannot write, even as root."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        yield Path(name)
        os.seteuid(user)
        os.chmod(name, 0o755)


def test_directory_that_cannot_be_written_to_is_refused(closed: Path) -> None:
    assert refusal(closed) == f"Cannot write to directory '{closed}': Permission denied"
    new = closed / "a" / "b"
    assert refusal(new) == f"Cannot create directory '{new}': Permission denied"


def test_check_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert checked_directory("a/b", Config()) == tmp_path / "a" / "b"
    assert checked_directory("", Config(make_directory=False)) == tmp_path
    assert list(tmp_path.iterdir()) == []
