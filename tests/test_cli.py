"""The command line, as its user meets it: a process with exit codes and two streams."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pystac
import pytest
from click.testing import CliRunner

from stac_asset.cli.app import app
from stac_asset.testing import Delay, Origin, Stall, Status
from tests.make_collection import collection_document
from tests.make_item import item_document, make_item

COMMAND = [sys.executable, "-c", "from stac_asset.cli import main; main()"]


@dataclass
class Done:
    """What a process said."""

    code: int
    output: str
    errors: str


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("STAC_ASSET_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("STAC_ASSET_RETRY_WAIT", "0.01")
    monkeypatch.chdir(tmp_path)


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: object, document: object = None) -> Done:
    process = start(*arguments)
    text = document if isinstance(document, str) else json.dumps(document)
    output, errors = process.communicate(text if document is not None else None, timeout=240)
    return Done(process.returncode, output, errors)


# download


def test_an_item(origin: Origin, tmp_path: Path) -> None:
    origin.put("/a.tif", size=1000)
    origin.put("/b.tif", size=500)
    done = run("download", make_item(origin, "a", "b"), tmp_path / "out")
    document, counts = done.output.splitlines()
    assert (done.code, done.errors) == (0, "")
    assert document == str(tmp_path / "out" / "the-item.json")
    assert counts.startswith("2 downloaded (1.5 kB), 0 skipped, 0 failed in ")
    item = pystac.Item.from_file(document)
    assert item.assets["a"].href == "./a.tif"
    assert (tmp_path / "out" / "a.tif").read_bytes() == origin.content("/a.tif")
    again = run("download", make_item(origin, "a", "b"), tmp_path / "out")
    assert "0 downloaded (0 bytes), 2 skipped, 0 failed" in again.output


def test_a_collection_to_the_working_directory(origin: Origin, tmp_path: Path) -> None:
    document = json.dumps(collection_document(origin, "thumbnail")).encode()
    done = run("download", origin.put("/collection.json", document))
    assert done.code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["collection.json", "thumbnail.png"]


def test_an_item_collection_by_template(origin: Origin, tmp_path: Path) -> None:
    features = [item_document(origin, "a", name=name) for name in ("one", "two")]
    document = {"type": "FeatureCollection", "features": features}
    href = origin.put("/search", json.dumps(document).encode())
    done = run("download", href, tmp_path, "-t", "${year}/${id}", "--file-name", "all.json")
    assert done.code == 0
    assert done.output.splitlines()[0] == str(tmp_path / "all.json")
    assert (tmp_path / "2026" / "two" / "a.tif").read_bytes() == origin.content("/a.tif")


def test_standard_input(origin: Origin, tmp_path: Path) -> None:
    done = run("download", "-", tmp_path, document=item_document(origin, "a"))
    assert (done.code, done.errors) == (0, "")
    assert (tmp_path / "a.tif").exists()


def test_a_local_file_with_a_relative_asset(shared_data: Path, tmp_path: Path) -> None:
    done = run("download", shared_data / "simple-item-with-image.json", tmp_path)
    assert done.code == 0
    image = "20201211_223832_CS2.jpg"
    assert (tmp_path / image).read_bytes() == (shared_data / image).read_bytes()


def test_options_become_configuration(origin: Origin, tmp_path: Path) -> None:
    document = item_document(origin, "a", "b", "c")
    mirror = origin.href("/mirror/a.tif")
    document["assets"]["a"]["alternate"] = {"mirror": {"href": mirror}}
    options = ["-i", "a", "-i", "b", "-a", "mirror", "-f", "key", "-k", "--write-checksums"]
    options += ["-H", "X-Key: a:b", "--file-name", "new.json"]
    done = run("download", "-", tmp_path, *options, document=document)
    assert done.code == 0
    item = pystac.Item.from_file(tmp_path / "new.json")
    assert {key: asset.href for key, asset in item.assets.items()} == {
        "a": "./a.tif",
        "b": "./b.tif",
        "c": origin.href("/c.tif"),
    }
    assert item.assets["a"].extra_fields["file:checksum"].startswith("1220")
    assert {request.path for request in origin.gets()} == {"/mirror/a.tif", "/b.tif"}
    assert {request.headers["x-key"] for request in origin.requests} == {"a:b"}


def test_headers_may_be_for_some_hosts_only(origin: Origin, tmp_path: Path) -> None:
    options = ["-H", "X-Key: abc", "--header-host"]
    document = item_document(origin, "a")
    assert run("download", "-", tmp_path, *options, "example.com", document=document).code == 0
    assert all("x-key" not in request.headers for request in origin.requests)
    options += [origin.url, "--overwrite"]
    assert run("download", "-", tmp_path, *options, document=document).code == 0
    assert origin.gets()[-1].headers["x-key"] == "abc"


def test_options_win_over_the_environment(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAC_ASSET_INCLUDE", "a,b")
    monkeypatch.setenv("STAC_ASSET_OVERWRITE", "1")
    document = item_document(origin, "a", "b", "c")
    assert run("download", "-", tmp_path, document=document).output.split()[1] == "2"
    done = run("download", "-", tmp_path, "-i", "c", "-i", "a", document=document)
    assert done.output.split()[1] == "2"
    assert "2 downloaded" in done.output
    done = run("download", "-", tmp_path, "--no-overwrite", document=document)
    assert "0 downloaded (0 bytes), 2 skipped" in done.output


def test_quiet(origin: Origin, tmp_path: Path) -> None:
    done = run("download", make_item(origin, "a"), tmp_path, "--quiet")
    assert done == Done(0, "", "")


# What goes wrong


def one_sentence(done: Done) -> str:
    """Returns the sentence on standard error, where there is nothing else, and the code is 1."""
    (line,) = done.errors.splitlines()
    assert (done.code, done.output) == (1, "")
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize("command", ["download", "info", "plan"])
def test_an_href_that_cannot_be_read(origin: Origin, tmp_path: Path, command: str) -> None:
    directory = [] if command == "info" else ["out"]
    origin.remove("/no.json")
    line = one_sentence(run(command, origin.href("/no.json?sig=hunter2"), *directory))
    assert f"'{origin.href('/no.json')}?…' cannot be read: 404" in line
    assert "hunter2" not in line
    line = one_sentence(run(command, tmp_path / "no.json", *directory))
    assert f"File {tmp_path / 'no.json'} does not exist" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello", "is not valid JSON"),
        ("[1, 2]", "is not a STAC item, collection or item collection"),
        ('{"type": "Catalog"}', "`type` is 'Catalog'"),
        ('{"type": "Feature", "assets": {}}', "is not a valid STAC Feature: `id` is missing"),
        (
            '{"type": "Feature", "id": "x", "properties": null, "assets": {}}',
            "is not a valid STAC Feature: `properties` is not a JSON object",
        ),
        ('{"type": "FeatureCollection"}', "`features` is not a list"),
        (
            '{"type": "FeatureCollection", "features": [1]}',
            "item 1 is not valid STAC: not a JSON object",
        ),
        (
            '{"type": "FeatureCollection", "features": [{"id": "x", "type": "Feature"}]}',
            "item 1 ('x') is not valid STAC",
        ),
        ("[" * 100_000, "is not valid JSON"),
    ],
)
def test_what_is_no_stac(origin: Origin, tmp_path: Path, text: str, words: str) -> None:
    href = origin.put("/x.json", text.encode())
    line = one_sentence(run("download", href, "out"))
    assert f"'{href}'" in line
    assert words in line
    assert words in one_sentence(run("download", "-", "out", document=text))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["download", "info", "plan"])
def test_an_item_without_assets(origin: Origin, tmp_path: Path, command: str) -> None:
    directory = [] if command == "info" else ["out"]
    href = make_item(origin)
    line = one_sentence(run(command, href, *directory))
    assert f"'{href}'" in line
    assert "no assets" in line
    assert list(tmp_path.iterdir()) == []


def test_an_item_that_is_nested_too_deeply(origin: Origin, tmp_path: Path) -> None:
    document = item_document(origin, "a")
    for _ in range(600):
        document["properties"] = {"datetime": "2026-06-01T00:00:00Z", "x": document["properties"]}
    line = one_sentence(run("download", "-", tmp_path, document=document))
    assert "'the-item' cannot be copied: its fields are nested too deeply" in line


def test_nothing_to_include(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a", "b")
    line = one_sentence(run("download", href, "-i", "typo", "-i", "other"))
    assert line == f"error: '{href}' has no asset that `include` selects: typo, other"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["item", "collection", "item collection"])
def test_the_document_that_is_read_is_not_replaced(
    origin: Origin, tmp_path: Path, kind: str
) -> None:
    document, name = item_document(origin, "a", "b"), "the-item.json"
    if kind == "collection":
        document, name = collection_document(origin, "a", "b"), "collection.json"
    elif kind == "item collection":
        document, name = {"type": "FeatureCollection", "features": [document]}, "items.json"
    (tmp_path / name).write_text(before := json.dumps(document))
    line = one_sentence(run("download", name, "--file-name", name, "-i", "a"))
    assert "the new document would replace this file. Choose another `directory`" in line
    assert (tmp_path / name).read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_output_that_cannot_be_written(origin: Origin, tmp_path: Path) -> None:
    arguments = ["download", make_item(origin, "a"), str(tmp_path)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr == "error: the output cannot be written: No space left on device\n"
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_that_are_closed(origin: Origin, tmp_path: Path, closed: str) -> None:
    script = f'"$@" {closed}'
    arguments = ["download", make_item(origin, "a"), str(tmp_path)]
    done = subprocess.run(
        ["sh", "-c", script, "sh", *COMMAND, *arguments], capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


def test_contradictions(origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    href = make_item(origin, "a")
    assert "include and exclude" in one_sentence(run("download", href, "-i", "a", "-x", "b"))
    assert "warn and fail_fast" in one_sentence(run("download", href, "--warn", "--fail-fast"))
    line = one_sentence(run("download", href, "-t", "${id}"))
    assert f"`path_template` is only for item collections, and '{href}' is not" in line
    assert "no known client" in one_sentence(run("download", href, "--client", "nonsense"))
    monkeypatch.setenv("STAC_ASSET_S3_MAX_ATTEMPTS", "many")
    assert "STAC_ASSET_S3_MAX_ATTEMPTS" in one_sentence(run("download", href))
    assert list(tmp_path.iterdir()) == []


def test_assets_that_failed_are_listed(origin: Origin, tmp_path: Path) -> None:
    origin.remove("/b.tif")
    origin.fault("/c.tif", Status(403), times=0)
    done = run("download", make_item(origin, "a", "b", "c"), tmp_path)
    first, *others = done.errors.splitlines()
    assert done.code == 1
    assert first == "error: 2 of 3 assets failed"
    assert sorted(others) == [
        f"- asset 'b' of item 'the-item': 404 Not Found for {origin.href('/b.tif')}",
        f"- asset 'c' of item 'the-item': 403 Forbidden for {origin.href('/c.tif')}",
    ]
    assert done.output.startswith(f"{tmp_path / 'the-item.json'}\n1 downloaded")
    assert list(pystac.Item.from_file(tmp_path / "the-item.json").assets) == ["a"]


def test_warn_exits_with_0(origin: Origin, tmp_path: Path) -> None:
    origin.remove("/b.tif")
    done = run("download", make_item(origin, "a", "b"), tmp_path, "-w", "--error-strategy", "keep")
    assert done.code == 0
    assert done.errors.startswith("warning: 1 of 2 assets failed\n- asset 'b'")
    item = pystac.Item.from_file(tmp_path / "the-item.json")
    assert item.assets["b"].href == origin.href("/b.tif")


def test_fail_fast_is_one_sentence(origin: Origin, tmp_path: Path) -> None:
    origin.remove("/b.tif")
    origin.fault("/a.tif", Stall())
    line = one_sentence(run("download", make_item(origin, "a", "b"), tmp_path, "--fail-fast"))
    assert "asset 'b'" in line
    assert not (tmp_path / "the-item.json").exists()


def test_a_piped_document_cannot_name_local_files(tmp_path: Path, origin: Origin) -> None:
    document = item_document(origin, "a")
    document["links"] = [{"rel": "self", "href": "/etc/item.json"}]
    document["assets"]["a"]["href"] = "/etc/hostname"
    for piped in (document, {"type": "FeatureCollection", "features": [document]}):
        done = run("download", "-", tmp_path / "out", document=piped)
        assert done.code == 1
        assert "references local file" in done.errors
    assert not list(tmp_path.rglob("hostname"))


def test_texts_cannot_control_the_terminal(origin: Origin, tmp_path: Path) -> None:
    document = item_document(origin, "a\x1b[2J")
    origin.remove("/a\x1b[2J.tif")
    for command in (["download", "-", tmp_path], ["info", "-"], ["plan", "-", tmp_path]):
        done = run(*command, document=document)
        assert "\x1b" not in done.output + done.errors
        assert "\N{REPLACEMENT CHARACTER}[2J" in done.output + done.errors


def test_interrupt_exits_with_130_without_a_traceback(origin: Origin, tmp_path: Path) -> None:
    origin.put("/a.tif", size=1_000_000)
    origin.fault("/a.tif", Stall(after=500_000))
    href = make_item(origin, "a")
    process = start("download", href, tmp_path)
    while not (tmp_path / ".a.tif.part.json").exists() and process.poll() is None:
        time.sleep(0.01)
    assert_interrupted(process)
    assert not (tmp_path / "a.tif").exists()
    assert run("download", href, tmp_path).code == 0
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.gets("/a.tif")[-1].range is not None


def test_interrupt_while_standard_input_is_read() -> None:
    process = start("download", "-")
    assert process.stdin is not None
    # More than a pipe holds, so that this returns when the process is reading.
    process.stdin.write(" " * 1_000_000)
    process.stdin.flush()
    assert_interrupted(process)


def assert_interrupted(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=240)
    assert (process.returncode, output) == (130, "")
    assert errors == "\nInterrupted. Run the same command again to resume.\n"


def test_wrong_usage_exits_with_2() -> None:
    for arguments in (["nonsense"], ["download"], ["download", "x", "--nonsense"]):
        done = run(*arguments)
        assert (done.code, done.output) == (2, "")
        assert done.errors.startswith("Usage: ")
    done = run("download", "x", "-H", "hunter2")
    assert done.code == 2
    assert "Write 'Name: value'." in done.errors
    assert "hunter2" not in done.errors


# The progress bar


def test_a_bar_is_shown_on_a_terminal_only(origin: Origin, tmp_path: Path) -> None:
    origin.remove("/c.tif")
    origin.fault("*.tif", Delay(0.01), times=0)
    here, there = pty.openpty()
    href = make_item(origin, "a", "b", "c")
    with subprocess.Popen(
        [*COMMAND, "download", href, str(tmp_path)], stdout=subprocess.PIPE, stderr=there
    ) as process:
        os.close(there)
        shown = b""
        while True:
            try:
                shown += os.read(here, 65536)
            except OSError:  # Linux's way to say that the other end is closed.
                break
        os.close(here)
        assert process.stdout is not None
        output = process.stdout.read().decode()
    assert process.returncode == 1
    assert b"3/3" in shown
    assert b"1 of 3 assets failed" in shown
    assert "2 downloaded" in output


# info and plan


def test_info(origin: Origin) -> None:
    document = item_document(origin, "a", "b", "c", "d")
    document["assets"]["a"] |= {"type": "image/tiff"}
    document["assets"]["c"] |= {"type": "image/png", "href": "gopher://example.com/c"}
    origin.put("/a.tif", size=12345)
    origin.remove("/b.tif")
    origin.fault("/d.tif", Status(500), times=0)
    done = run("info", "-", document=document)
    assert done.code == 0
    header, a, b, c, d = done.output.splitlines()
    assert header.split() == ["key", "client", "exists", "bytes", "media", "type", "note"]
    assert a.split() == ["a", "http", "yes", "12,345", "image/tiff", "-"]
    assert b.split()[:5] == ["b", "http", "no", "-", "-"]
    assert "404 Not Found" in b
    assert c.split()[:5] == ["c", "-", "-", "-", "image/png"]
    assert "No client claims" in c
    assert d.split()[:4] == ["d", "http", "-", "-"]
    assert "500" in d
    assert origin.gets("*.tif") == []


def test_info_of_an_item_collection_names_the_items(origin: Origin) -> None:
    features = [item_document(origin, "a", name=name) for name in ("one", "two")]
    document = {"type": "FeatureCollection", "features": features}
    done = run("info", "-", "-i", "a", document=document)
    assert [line.split()[:2] for line in done.output.splitlines()[1:]] == [
        ["item", "'one'"],
        ["item", "'two'"],
    ]


def test_plan(origin: Origin, tmp_path: Path) -> None:
    origin.put("/a.tif", size=12345)
    done = run("plan", make_item(origin, "a"), "out")
    header, row, totals = done.output.splitlines()
    assert (done.code, done.errors) == (0, "")
    assert header.split() == ["owner", "key", "action", "client", "bytes", "path", "note"]
    assert row.split()[2:] == ["a", "download", "http", "12,345", str(tmp_path / "out/a.tif"), "-"]
    assert totals.startswith("1 to download (12,345 bytes), 0 already present, 0 unavailable. ")
    assert list(tmp_path.iterdir()) == []


def test_plan_as_json(origin: Origin, tmp_path: Path) -> None:
    done = run("plan", make_item(origin, "a", "b"), "out", "--json", "-x", "b")
    found = json.loads(done.output)
    assert [row["key"] for row in found["rows"]] == ["a"]
    assert found["directory"] == str(tmp_path / "out")


# Help


@pytest.mark.parametrize("command", [[], ["download"], ["info"], ["plan"]])
def test_help(command: list[str]) -> None:
    done = CliRunner().invoke(app, [*command, "--help"])
    assert done.exit_code == 0
    assert done.output.startswith("Usage: ")


def test_version() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert done.output.startswith("stac-asset, version ")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from stac_asset.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    heavy = ['rich', 'uvloop', 'pydantic_settings', 'aiobotocore', 'prefect']\n"
        "    print([name for name in heavy if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", code, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
