"""A small STAC API on this machine, with the items and files of `examples/data`.

    python examples/local_api.py [PORT]

The notebook `notebook.ipynb` starts this API too, so that it needs no network.
"""

from __future__ import annotations

import json
import os
import sys
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

DATA = Path(__file__).resolve().parent / "data"
COLLECTION = "examples"
_TYPE = "application/geo+json"
CONFORMS_TO = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/item-search",
]


def start(port: int = 0) -> str:
    """Start the API in a thread of this process, and return the URL.

    Args:
        port: The port. By default, a free port is used.
    """
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(DATA)))
    Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


class _Handler(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/":
            self._send(self._landing_page())
        elif url.path == "/search":
            query = {name: values[-1] for name, values in parse_qs(url.query).items()}
            self._send(self._found(query))
        else:
            super().do_GET()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._send(self._found(json.loads(body)))

    def log_message(self, format: str, *args: Any) -> None:
        """Leave out the log line of a request."""

    @property
    def _url(self) -> str:
        return f"http://{self.headers['Host']}"

    def _landing_page(self) -> dict[str, Any]:
        links = [
            {"rel": "search", "href": f"{self._url}/search", "method": method, "type": _TYPE}
            for method in ("GET", "POST")
        ]
        links += [{"rel": name, "href": f"{self._url}/"} for name in ("self", "root")]
        return {
            "type": "Catalog",
            "id": "examples",
            "description": "The items of examples/data",
            "stac_version": "1.1.0",
            "conformsTo": CONFORMS_TO,
            "links": links,
        }

    def _found(self, search: dict[str, Any]) -> dict[str, Any]:
        """Return the items that match the collections and the bounding box of a search."""
        collections = search.get("collections") or [COLLECTION]
        features = []
        if COLLECTION in collections:
            features = [item for item in _items(self._url) if _is_inside(item, search.get("bbox"))]
        return {"type": "FeatureCollection", "features": features, "links": []}

    def _send(self, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", _TYPE)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@cache
def _items(url: str) -> list[dict[str, Any]]:
    items = []
    for path in sorted(DATA.glob("*.json")):
        item = json.loads(path.read_bytes())
        for asset in item["assets"].values():
            asset["href"] = f"{url}/{asset['href'].removeprefix('./')}"
        self_link = {"rel": "self", "href": f"{url}/{path.name}"}
        items.append({**item, "collection": COLLECTION, "links": [self_link]})
    return items


def _is_inside(item: dict[str, Any], bbox: str | list[float] | None) -> bool:
    if not bbox:
        return True
    numbers = [float(part) for part in bbox.split(",")] if isinstance(bbox, str) else bbox
    west, south, east, north = numbers
    first, low, last, high = item["bbox"]
    return bool(first <= east and last >= west and low <= north and high >= south)


if __name__ == "__main__":
    chosen = int(sys.argv[1]) if len(sys.argv) > 1 else 8081
    try:
        url = start(chosen)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        sys.exit(
            f"Cannot listen on port {chosen}: {reason}. Choose another port: "
            f"python examples/local_api.py {chosen + 1}"
        )
    print(f"The STAC API is at {url}. Press Enter to stop the API.", flush=True)
    sys.stdin.readline()
