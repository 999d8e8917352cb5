"""Mirrors with planted differences, for `bench.audit` and the tests of audits."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from stac_asset.mirror.layout import SOURCE, VERSION, document_path, item_folder
from stac_asset.mirror.output.catalog import write_catalog
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.index import read_state
from stac_asset.mirror.state.index_files import write_index
from stac_asset.mirror.state.version import version_of
from stac_asset.mirror.storage.local import LocalStorage

COLLECTION = "scenes"
_NEW = "2026-07-01T00:00:00Z"

Found: TypeAlias = tuple[str, str | None, str | None]
"""Kind, item and asset of a difference. For a file without a record, the item is the path."""


def scene(number: int, base: str, keys: Iterable[str]) -> dict[str, Any]:
    """Return an item of the source.

    Args:
        number: Number of the item.
        base: URL of the files, without a slash at the end.
        keys: Keys of the assets.
    """
    name = f"scene-{number:06}"
    west, south = -180 + number % 350, -80 + number // 350 % 160
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": COLLECTION,
        "geometry": {"type": "Point", "coordinates": [west, south]},
        "bbox": [west, south, west, south],
        "properties": {
            "datetime": f"2026-{1 + number // 28 % 12:02}-{1 + number % 28:02}T10:20:30Z",
            "updated": "2026-06-01T00:00:00Z",
            "eo:cloud_cover": number % 100 + 0.25,
        },
        "links": [],
        "assets": {
            key: {"href": f"{base}/{name}/{key}.tif?size={_SIZE}", "type": "image/tiff"}
            for key in keys
        },
    }


_SIZE = 64
"""Size of each file, in bytes."""


@dataclass(slots=True)
class PlantedMirror:
    """A mirror, and a file of items as the source."""

    directory: Path
    """The directory of the mirror."""

    source: Path
    """The file of the source, newline-delimited JSON."""

    items: dict[str, dict[str, Any]]
    """Items of the source, by id."""

    expected: set[Found] = field(default_factory=set)
    """The differences that an audit finds."""

    def write_source(self) -> None:
        """Write the file of the source."""
        with self.source.open("w") as file:
            file.writelines(f"{json.dumps(item)}\n" for item in self.items.values())

    def write_mirror(self, content: Callable[[str, str], bytes]) -> None:
        """Write the mirror, as a run of `sync` writes a mirror without differences.

        Args:
            content: Returns the content of a file by id of the item and key of the asset.
        """
        for item in self.items.values():
            path = self.directory / document_path(Key(COLLECTION, item["id"]))
            path.parent.mkdir(parents=True)
            files = {key: content(item["id"], key) for key in item["assets"]}
            for key, data in files.items():
                (path.parent / f"{key}.tif").write_bytes(data)
            path.write_text(json.dumps(_mirrored(item, str(self.source), files)))
        storage = LocalStorage(self.directory)
        rows = read_state(storage).rows
        write_catalog(storage, rows, str(self.source), {})
        write_index(storage, rows)

    def folder(self, name: str) -> Path:
        """Return the folder of an item.

        Args:
            name: Id of the item.
        """
        return self.directory / item_folder(Key(COLLECTION, name))

    def document(self, name: str) -> Path:
        """Return the path of the document of an item.

        Args:
            name: Id of the item.
        """
        return self.folder(name) / f"{name}.json"

    def expect(self, kind: str, name: str, asset: str | None = None) -> None:
        """Add an expected difference.

        Args:
            kind: Value of the kind.
            name: Id of the item, or path of a file without a record.
            asset: Key of the asset.
        """
        self.expected.add((kind, name, asset))


def _mirrored(item: dict[str, Any], source: str, files: dict[str, bytes]) -> dict[str, Any]:
    version = version_of(item, source, None, lambda key, asset: True).to_dict()
    link = {"rel": "derived_from", "href": source, SOURCE: source, VERSION: version}
    assets = {
        key: asset
        | {
            "href": f"./{key}.tif",
            "file:size": len(files[key]),
            "file:checksum": f"1220{hashlib.sha256(files[key]).hexdigest()}",
        }
        for key, asset in item["assets"].items()
    }
    return item | {"links": [link], "assets": assets}


Plant: TypeAlias = Callable[[PlantedMirror, str], None]
"""Plants a difference at an item."""


def _new_item(mirror: PlantedMirror, name: str) -> None:
    new = f"{name}-new"
    mirror.items[new] = json.loads(json.dumps(mirror.items[name])) | {"id": new}
    mirror.expect("missing", new)


def _item_gone(mirror: PlantedMirror, name: str) -> None:
    del mirror.items[name]
    mirror.expect("extra", name)


def _item_updated(mirror: PlantedMirror, name: str) -> None:
    mirror.items[name]["properties"]["updated"] = _NEW
    mirror.expect("outdated", name)


def _item_metadata(mirror: PlantedMirror, name: str) -> None:
    mirror.items[name]["properties"]["eo:cloud_cover"] = -1
    mirror.expect("outdated", name)


def _asset_href(mirror: PlantedMirror, name: str) -> None:
    asset = mirror.items[name]["assets"]["a"]
    asset["href"] = asset["href"].replace("/a.tif", "/a.v2.tif")
    mirror.expect("outdated", name, "a")


def _asset_size(mirror: PlantedMirror, name: str) -> None:
    mirror.items[name]["assets"]["a"]["file:size"] = _SIZE + 1
    mirror.expect("outdated", name, "a")


def _asset_metadata(mirror: PlantedMirror, name: str) -> None:
    mirror.items[name]["assets"]["a"]["title"] = "Another title"
    mirror.expect("outdated", name, "a")


def _asset_added(mirror: PlantedMirror, name: str) -> None:
    assets = mirror.items[name]["assets"]
    assets["added"] = assets["a"] | {"href": assets["a"]["href"].replace("/a.tif", "/added.tif")}
    mirror.expect("missing", name, "added")


def _asset_gone(mirror: PlantedMirror, name: str) -> None:
    del mirror.items[name]["assets"]["a"]
    mirror.expect("extra", name, "a")


def _file_gone(mirror: PlantedMirror, name: str) -> None:
    (mirror.folder(name) / "a.tif").unlink()
    mirror.expect("missing", name, "a")


def _file_short(mirror: PlantedMirror, name: str) -> None:
    file = mirror.folder(name) / "a.tif"
    file.write_bytes(file.read_bytes()[:-1])
    mirror.expect("corrupt", name, "a")


def _file_empty(mirror: PlantedMirror, name: str) -> None:
    (mirror.folder(name) / "a.tif").write_bytes(b"")
    mirror.expect("corrupt", name, "a")


def _document_gone(mirror: PlantedMirror, name: str) -> None:
    mirror.document(name).unlink()
    mirror.expect("missing", name)


def _folder_gone(mirror: PlantedMirror, name: str) -> None:
    shutil.rmtree(mirror.folder(name))
    mirror.expect("missing", name)


def _document_ruined(mirror: PlantedMirror, name: str) -> None:
    mirror.document(name).write_text('{"type": "Feature", ')
    mirror.expect("corrupt", name)


def _file_of_document_gone(mirror: PlantedMirror, name: str) -> None:
    document = json.loads(mirror.document(name).read_bytes())
    del document["assets"]["a"]
    mirror.document(name).write_text(json.dumps(document))
    (mirror.folder(name) / "a.tif").unlink()
    mirror.expect("missing", name, "a")


def _unrecorded_file(mirror: PlantedMirror, name: str) -> None:
    file = mirror.folder(name) / "stray.tif"
    file.write_bytes(b"stray")
    mirror.expect("inconsistent", file.relative_to(mirror.directory).as_posix())


def _record_without_document(mirror: PlantedMirror, name: str) -> None:
    del mirror.items[name]
    shutil.rmtree(mirror.folder(name))
    mirror.expect("inconsistent", name)


PLANTS: dict[str, Plant] = {
    plant.__name__.lstrip("_"): plant
    for plant in (
        _new_item,
        _item_gone,
        _item_updated,
        _item_metadata,
        _asset_href,
        _asset_size,
        _asset_metadata,
        _asset_added,
        _asset_gone,
        _file_gone,
        _file_short,
        _file_empty,
        _document_gone,
        _folder_gone,
        _document_ruined,
        _file_of_document_gone,
        _unrecorded_file,
        _record_without_document,
    )
}
"""All kinds of planted differences. Each plant changes a single item with an asset `a`."""


def ruin_content(mirror: PlantedMirror, name: str) -> None:
    """Change the content of a file, and keep the size. Only an audit that reads files finds this.

    Args:
        mirror: The mirror.
        name: Id of the item.
    """
    (mirror.folder(name) / "a.tif").write_bytes(b"x" * _SIZE)
    mirror.expect("corrupt", name, "a")


def files_of(mirror: PlantedMirror) -> Iterator[tuple[str, bytes]]:
    """Yield the paths and contents of all files of a mirror.

    Args:
        mirror: The mirror.
    """
    for path in sorted(mirror.directory.rglob("*")):
        if path.is_file():
            yield path.relative_to(mirror.directory).as_posix(), path.read_bytes()
