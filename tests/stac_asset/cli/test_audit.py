"""Output, exit codes, search options and reports of `stac-asset audit`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from scripts.site_pages.command_results import RESULTS
from stac_asset.testing import Origin
from tests.support.cli import CommandResult, run_command
from tests.support.mirror_runs import build_item, run_mirror, serve_items


def test_audit_reports_differences_and_repairs_them_with_option(
    origin: Origin, tmp_path: Path
) -> None:
    items = [build_item(origin, name) for name in ("one", "two")]
    href, mirror, report = serve_items(origin, items), tmp_path / "mirror", tmp_path / "report"
    asyncio.run(run_mirror(mirror, href))
    result = run_command("audit", href, mirror)
    text = "2 of 2 items of the source are up to date; no differences\n"
    assert result == CommandResult(0, text, "")
    (mirror / "things/one/data.tif").write_bytes(b"short")
    result = run_command("audit", href, mirror, "--report", report)
    text = "1 of 2 items of the source are up to date; 1 corrupt\n"
    assert (result.code, result.output) == (1, text)
    reason = "the file has 5 bytes, and the mirror recorded 100"
    assert result.errors == (
        "error: 1 difference between the mirror and the source\n"
        f"- asset 'data' of item 'one' is corrupt: {reason}\n"
    )
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert [(row["state"], row["item"], row["reason"]) for row in rows] == [
        ("corrupt", "one", reason)
    ]
    result = run_command("audit", href, mirror, "--warn")
    assert (result.code, result.errors[:8]) == (0, "warning:")
    result = run_command("audit", href, mirror, "--json")
    found = json.loads(result.output)
    assert (result.code, found.keys()) == (1, RESULTS["audit"].keys())
    assert (found["complete"], found["counts"]) == (False, {"corrupt": 1})
    assert found["differences"][0]["reason"] == reason
    result = run_command("audit", href, mirror, "--repair", "--report", mirror / "report")
    text = "2 of 2 items of the source are up to date; 1 repaired\n"
    assert result == CommandResult(0, text, "")
    content = origin.content("/one/data.tif?size=100")
    assert (mirror / "things/one/data.tif").read_bytes() == content
    # A report in the mirror needs no record.
    assert run_command("audit", href, mirror, "--report", mirror / "report").code == 0


def test_search_options_select_items(origin: Origin, tmp_path: Path) -> None:
    href = serve_items(origin, [build_item(origin, "one"), build_item(origin, "two", day=7)])
    asyncio.run(run_mirror(tmp_path, href))
    for option in (
        ("--id", "one"),
        ("--datetime", "2026-06-05"),
        ("--collection", "things", "--id", "one"),
        ("--id", "one", "--bbox", "0,40,20,60"),
    ):
        result = run_command("audit", href, tmp_path, *option)
        text = "1 of 1 items of the source are up to date; no differences\n"
        assert result == CommandResult(0, text, ""), option


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--bbox", "1,x"), "'1,x' is not a list of numbers"),
        (("--query", "[1]"), "the value is not a JSON object"),
    ],
)
def test_invalid_search_options_are_explained(
    tmp_path: Path, arguments: tuple[str, str], message: str
) -> None:
    result = run_command("audit", "items.json", tmp_path, *arguments)
    assert (result.code, message in result.errors) == (2, True)


def test_errors_name_the_options_of_the_search(origin: Origin, tmp_path: Path) -> None:
    href = serve_items(origin, [build_item(origin, "one")])
    asyncio.run(run_mirror(tmp_path, href))
    for arguments, start in (
        (("--collection", "unknown"), "`--collection` names 'unknown'"),
        (("--bbox", "1,2,3"), "`--bbox` must have four numbers"),
        (("--filter", "a = 1"), "`--filter`"),
    ):
        result = run_command("audit", href, tmp_path, *arguments)
        assert (result.code, result.errors.startswith(f"error: {start}")) == (2, True), result
    result = run_command("audit", tmp_path / "none.json", tmp_path)
    assert result.errors.startswith("error: `SOURCE`")


def test_report_replaces_no_other_file(origin: Origin, tmp_path: Path) -> None:
    href = serve_items(origin, [build_item(origin, "one")])
    asyncio.run(run_mirror(tmp_path, href))
    catalog = tmp_path / "catalog.json"
    before = catalog.read_bytes()
    result = run_command("audit", href, tmp_path, "--report", catalog)
    assert result.code == 1
    assert "this file exists and is no report" in result.errors
    assert catalog.read_bytes() == before
    result = run_command("audit", href, tmp_path, "--report", "s3://bucket/report")
    assert (result.code, "Set `--report` to a local path" in result.errors) == (1, True)
    for path in (tmp_path, catalog / "report"):
        result = run_command("audit", href, tmp_path, "--report", path)
        assert result.code == 1
        assert f"Cannot write the report '{path}': " in result.errors
        assert "--report" in result.errors
