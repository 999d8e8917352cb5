"""Help, exit codes, error messages, closed streams and interrupts of the command line."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from stac_asset.cli.app import app
from stac_asset.testing import Origin, Stall
from tests.support.cli import COMMAND, read_single_error, run_command, start_command
from tests.support.items import item_document, make_item


@pytest.mark.parametrize("command", [[], *([name] for name in app.commands)])
def test_help_is_shown(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith("Usage: ")
    assert "--json" in result.output or not command


def test_version_is_shown() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.output.startswith("stac-asset, version ")


def test_help_imports_no_slow_packages() -> None:
    code = (
        "import sys\n"
        "from stac_asset.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    slow = ['rich', 'uvloop', 'pydantic_settings', 'aiobotocore', 'prefect', 'asyncio']\n"
        "    slow += ['aiohttp', 'pystac', 'pydantic', 'tqdm']\n"
        "    print([name for name in slow if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", code, "--help"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", ["download", "info", "plan"])
def test_unreadable_href_is_reported(origin: Origin, tmp_path: Path, command: str) -> None:
    directory = [] if command == "info" else ["out"]
    origin.remove("/no.json")
    line = read_single_error(run_command(command, origin.href("/no.json?sig=hunter2"), *directory))
    assert f"'{origin.href('/no.json')}?…' cannot be read: 404" in line
    assert "hunter2" not in line
    line = read_single_error(run_command(command, tmp_path / "no.json", *directory))
    assert f"'{tmp_path / 'no.json'}' does not exist" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "is not valid JSON"),
        ("[1, 2]", "is not a STAC item, collection or item collection"),
        ('{"type": "Catalog"}', "it is a catalog or the start page of an API"),
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
def test_invalid_stac_document_is_reported(
    origin: Origin, tmp_path: Path, text: str, message: str
) -> None:
    href = origin.put("/x.json", text.encode())
    line = read_single_error(run_command("download", href, "out"))
    assert f"'{href}'" in line
    assert message in line
    assert message in read_single_error(run_command("download", "-", "out", document=text))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["download", "info", "plan"])
def test_item_without_assets_is_reported(origin: Origin, tmp_path: Path, command: str) -> None:
    directory = [] if command == "info" else ["out"]
    href = make_item(origin)
    line = read_single_error(run_command(command, href, *directory))
    assert f"'{href}'" in line
    assert "no assets" in line
    assert list(tmp_path.iterdir()) == []


def test_deeply_nested_item_is_reported(origin: Origin, tmp_path: Path) -> None:
    document = item_document(origin, "a")
    for _ in range(600):
        document["properties"] = {"datetime": "2026-06-01T00:00:00Z", "x": document["properties"]}
    line = read_single_error(run_command("download", "-", tmp_path, document=document))
    assert "'the-item' cannot be copied: its fields are nested too deeply" in line


def test_unwritable_output_is_reported(origin: Origin, tmp_path: Path) -> None:
    arguments = ["download", make_item(origin, "a"), str(tmp_path)]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert result.returncode == 1
    assert result.stderr == "error: the output cannot be written: No space left on device\n"
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_tolerated(
    origin: Origin, tmp_path: Path, redirection: str
) -> None:
    script = f'"$@" {redirection}'
    arguments = ["download", make_item(origin, "a"), str(tmp_path)]
    result = subprocess.run(
        ["sh", "-c", script, "sh", *COMMAND, *arguments], capture_output=True, timeout=60
    )
    assert (result.returncode, b"error" in result.stderr) == (0, False)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


def test_control_characters_are_replaced_in_output(origin: Origin, tmp_path: Path) -> None:
    document = item_document(origin, "a\x1b[2J")
    document["assets"]["b"] = {"href": origin.href("/b.tif"), "title": "x\x9b2J"}
    origin.remove("/a\x1b[2J.tif")
    for command in (["download", "-", tmp_path], ["info", "-"], ["plan", "-", tmp_path]):
        result = run_command(*command, document=document)
        assert not {"\x1b", "\x9b"} & set(result.output + result.errors)
        assert "\N{REPLACEMENT CHARACTER}[2J" in result.output + result.errors


def test_interrupt_exits_with_code_130_and_download_is_resumable(
    origin: Origin, tmp_path: Path
) -> None:
    origin.put("/a.tif", size=1_000_000)
    origin.fault("/a.tif", Stall(after=500_000))
    href = make_item(origin, "a")
    process = start_command("download", href, tmp_path)
    while not (tmp_path / ".a.tif.part.json").exists() and process.poll() is None:
        time.sleep(0.01)
    assert_interrupted(process)
    assert not (tmp_path / "a.tif").exists()
    assert run_command("download", href, tmp_path).code == 0
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.gets("/a.tif")[-1].range is not None


def test_interrupt_while_reading_standard_input_exits_with_code_130() -> None:
    process = start_command("download", "-")
    assert process.stdin is not None
    # The text exceeds the pipe's buffer. The call returns when the process reads.
    process.stdin.write(" " * 1_000_000)
    process.stdin.flush()
    assert_interrupted(process)


def test_interrupt_during_an_import_prints_one_line() -> None:
    # Like pydantic, the import turns the interrupt into another error.
    code = (
        "import os, signal\n"
        "from stac_asset.cli import app, main\n"
        "@app.command()\n"
        "def slow():\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    except KeyboardInterrupt:\n"
        "        raise RuntimeError\n"
        "main()\n"
    )
    result = subprocess.run([sys.executable, "-c", code, "slow"], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (130, "")
    assert result.stderr == "\nInterrupted. Run the same command again to resume.\n"


def assert_interrupted(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=240)
    assert (process.returncode, output) == (130, "")
    assert errors == "\nInterrupted. Run the same command again to resume.\n"


def test_href_is_required_if_standard_input_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, other_end = pty.openpty()
    with os.fdopen(terminal, "rb"), os.fdopen(other_end) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(click.UsageError, match=r"HREF is missing\. Give the URL"):
            app.main(["download"], standalone_mode=False)


def test_output_to_a_program_that_has_ended_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run([*COMMAND, "config"], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (result.returncode, result.stderr) == (1, b"")


def complete(monkeypatch: pytest.MonkeyPatch, instruction: str, words: str = "") -> str:
    """Return the output of `stac-asset` for a shell that asks for completions."""
    monkeypatch.setenv("_STAC_ASSET_COMPLETE", instruction)
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", "1")
    result = run_command()
    assert (result.code, result.errors) == (0, "")
    return result.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_of_each_shell_is_printed(
    monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    script = complete(monkeypatch, f"{shell}_source")
    assert f"_STAC_ASSET_COMPLETE={shell}_complete" in script


def test_commands_and_commands_of_plugins_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = complete(monkeypatch, "bash_complete", "stac-asset do")
    assert found.splitlines() == ["plain,doctor", "plain,download"]
    assert complete(monkeypatch, "bash_complete", "stac-asset bl") == "plain,blocks\n"


def test_level_of_log_records_is_an_option(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a")
    command = ("download", href, tmp_path, "-i", "a", "-i", "b")
    for level, shown in (("debug", True), ("WARNING", True), ("error", False)):
        result = run_command("-v", level, *command)
        assert ("warning: No asset has the key 'b'" in result.errors) is shown
        assert result.code == 0
