"""The demo of `make demo`: run the flow `download-item`, and print the results.

    python examples/demo.py [HREF]

Without an href, the demo downloads the real items in `../shared/data` if this folder exists, and
otherwise the items in `examples/data`, which `make_data.py` created. An origin on this machine
serves the assets. Assets of the real items have generated content of the real size.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from yarl import URL

from stac_asset.redact import redact_href
from stac_asset.testing import Origin, content_iter

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".demo"
REAL = ROOT.parent / "shared" / "data"
console = Console(highlight=False, soft_wrap=True)


def main(hrefs: list[str]) -> int:
    """Run the demo, and return the exit code.

    Args:
        hrefs: The hrefs of the items. An empty list means the example items.
    """
    with Origin() as origin:
        if hrefs:
            note = redact_href(hrefs[0])
        elif REAL.is_dir():
            note = "two real items of ../shared/data; a local server sends generated pixels"
            hrefs = [_relocated(origin), "../shared/data/simple-item-with-image.json"]
        else:
            note = "the two items of examples/data from a local server"
            hrefs = _served(origin)
        console.print(f"Downloading {note}.")
        console.print("Starting Prefect's embedded server. This takes some seconds ...\n")
        code = _run(hrefs, origin)
    return code


def _run(hrefs: list[str], origin: Origin) -> int:
    HOME.mkdir(exist_ok=True)
    log = HOME / "prefect.log"
    own = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    environment = own | {
        "PREFECT_HOME": str(HOME / "prefect"),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    }
    # Write Prefect's log to a file.
    with log.open("w") as errors:
        flow = subprocess.Popen(
            [sys.executable, "examples/run_flow.py", _short(HOME / "data"), *hrefs],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
        )
        assert flow.stdout is not None
        runs, failed = [], False
        for line in flow.stdout:
            run = json.loads(line)
            if "error" in run:
                print(f"The flow run failed: {run['error']}", file=sys.stderr)
                failed = True
            else:
                _show(run, origin)
                runs.append(run)
        code = flow.wait()
    if code and not failed:
        console.print(f"Prefect's log is in {_short(log)}.")
    if runs:
        console.print("To see the runs in Prefect's UI: [bold]make ui[/bold], then open")
        for run in runs:
            console.print(f"  http://127.0.0.1:4200/runs/flow-run/{run['flow_run']}")
    return code


def _show(run: dict[str, Any], origin: Origin) -> None:
    rows = [json.loads(line) for line in Path(run["report"]).read_text().splitlines()]
    table = Table(title=f"{Path(run['document']).stem}: {run['state']}", title_justify="left")
    for name in ("asset", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("bytes", "seconds"):
        table.add_column(name, justify="right")
    for row in rows:
        seconds = f"{row['seconds']:.2f}" if "seconds" in row else ""
        table.add_row(row["key"], row["state"], f"{row.get('bytes', 0):,}", seconds)
    console.print(table)
    console.print(
        f"{run['downloaded']} downloaded, {run['skipped']} skipped, {run['failed']} failed: "
        f"{run['bytes']:,} bytes in {run['seconds']:.1f} s"
    )
    served = [row for row in rows if row["href"].startswith(origin.url)]
    same = sum(_digest(row) == _served_digest(row, origin) for row in served)
    if served:
        console.print(f"{same} of {len(served)} files are identical to the served files")
    console.print(f"The rewritten item: {_short(Path(run['document']))}\n")


def _digest(row: dict[str, Any]) -> bytes:
    with Path(row["path"]).open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _served_digest(row: dict[str, Any], origin: Origin) -> bytes:
    return hashlib.sha256(origin.content(URL(row["href"]).path)).digest()


def _relocated(origin: Origin) -> str:
    """Return the href of the first real Sentinel-2 item, with asset hrefs of the origin.

    The sizes are real. The checksums are those of the generated content.
    """
    items = json.loads((REAL / "sentinel-2-item-collection.json").read_text())
    item = items["features"][0]
    for asset in item["assets"].values():
        path, size = URL(asset["href"]).path, asset["file:size"]
        asset["href"] = origin.put(path, size=size)
        digest = hashlib.sha256()
        for block in content_iter(path, size):
            digest.update(block)
        asset["file:checksum"] = f"1220{digest.hexdigest()}"
    return origin.put(f"/{item['id']}.json", json.dumps(item).encode())


def _served(origin: Origin) -> list[str]:
    files = sorted((ROOT / "examples" / "data").iterdir())
    hrefs = [origin.put(f"/{file.name}", file.read_bytes()) for file in files]
    return [href for href in hrefs if href.endswith(".json")]


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
