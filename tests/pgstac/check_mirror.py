"""Compare a mirror with the items of a STAC API, byte by byte, and print the differences as JSON.

The program does not import the project: it reads the API, the asset hrefs and the directory with
the standard library.

    python check_mirror.py API COLLECTION DIRECTORY [--failing ITEM/KEY ...] [--running]

`--failing` names assets that the source cannot deliver at present. Their files, and files from
before, may be absent or present. `--running` is for a mirror whose run was killed: items and files
may be missing, but the existing ones must be complete.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin
from urllib.request import ProxyHandler, Request, build_opener

OPENER = build_opener(ProxyHandler({}))
COMMON = ("type", "id", "collection", "geometry", "bbox", "properties")


def main() -> None:
    """Print the list of differences."""
    parser = argparse.ArgumentParser()
    parser.add_argument("api")
    parser.add_argument("collection")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--failing", nargs="*", default=[])
    parser.add_argument("--running", action="store_true")
    options = parser.parse_args()
    expected = {item["id"]: item for item in api_items(options.api, options.collection)}
    found = {
        path: document
        for path in sorted(options.directory.rglob("*.json"))
        if (document := json.loads(path.read_bytes())).get("type") == "Feature"
    }
    problems = []
    ids = [document["id"] for document in found.values()]
    problems += [f"{name} has several documents" for name in set(ids) if ids.count(name) > 1]
    if not options.running:
        # A new item without any file has no document.
        problems += [
            f"{name} is missing"
            for name in expected.keys() - set(ids)
            if any(f"{name}/{key}" not in options.failing for key in expected[name]["assets"])
        ]
        problems += [f"{name} is not in the API" for name in set(ids) - expected.keys()]
        problems += check_links(options.directory, set(found))
    named: set[Path] = set()
    for path, document in found.items():
        named.add(path)
        for asset in document["assets"].values():
            if "://" not in asset["href"]:
                named.add((path.parent / unquote(asset["href"])).resolve())
        if document["id"] in expected and not options.running:
            problems += check_item(path, document, expected[document["id"]], options.failing)
    if not options.running and not options.failing:
        problems += [
            f"{path} is not named by any document"
            for path in options.directory.rglob("*")
            if is_item_file(path, options.directory) and path.resolve() not in named
        ]
        problems += [
            f"{path} is an empty folder"
            for path in options.directory.rglob("*")
            if path.is_dir() and not any(path.iterdir())
        ]
    print(json.dumps(problems))


def api_items(api: str, collection: str) -> Iterator[dict[str, Any]]:
    """Yield all items of a collection, from the pages of the API."""
    url: str | None = f"{api}/collections/{collection}/items?limit=100"
    while url is not None:
        page = json.loads(get(url))
        yield from page["features"]
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)


def check_item(
    path: Path, document: dict[str, Any], expected: dict[str, Any], failing: list[str]
) -> list[str]:
    """Return the differences between a document with its files, and the item of the API."""
    name = document["id"]
    problems = [
        f"{name}: {field} is {document.get(field)}, not {expected.get(field)}"
        for field in COMMON
        if document.get(field) != expected.get(field)
    ]
    able = {key for key in expected["assets"] if f"{name}/{key}" not in failing}
    if able - document["assets"].keys():
        problems.append(f"{name}: assets are {sorted(document['assets'])}, not {sorted(able)}")
    if document["assets"].keys() - expected["assets"].keys():
        problems.append(f"{name}: assets {sorted(document['assets'])} are too many")
    for key in able & document["assets"].keys():
        file = path.parent / unquote(document["assets"][key]["href"])
        if not file.is_file():
            problems.append(f"{name}/{key}: {file} does not exist")
        elif file.read_bytes() != get(expected["assets"][key]["href"]):
            problems.append(f"{name}/{key}: {file} has other bytes than the source")
    return problems


def check_links(directory: Path, documents: set[Path]) -> list[str]:
    """Return the differences between the documents that the catalog leads to, and all documents."""
    reached: set[Path] = set()
    pending = [directory / "catalog.json"]
    while pending:
        path = pending.pop()
        if not path.is_file():
            return [f"{path} does not exist, but is linked"]
        for link in json.loads(path.read_bytes())["links"]:
            target = Path(unquote(urljoin(path.as_uri(), link["href"]).removeprefix("file://")))
            if link["rel"] == "child":
                pending.append(target)
            elif link["rel"] == "item":
                reached.add(target)
    return [f"{path} is linked or present, but not both" for path in reached ^ documents]


def is_item_file(path: Path, directory: Path) -> bool:
    """Return whether a path is a file in the folder of an item."""
    parts = path.relative_to(directory).parts
    return path.is_file() and len(parts) == 3 and not parts[0].startswith(".")


def get(url: str) -> bytes:
    """Return the bytes of a URL. The header tells the server of the assets who asks."""
    with OPENER.open(Request(url, headers={"User-Agent": "check-mirror"})) as response:
        data: bytes = response.read()
        return data


if __name__ == "__main__":
    main()
