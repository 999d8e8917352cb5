"""Files and links in the documentation exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from scripts.site_pages.__main__ import PAGES
from tests.support.paths import ROOT

FOLDERS = "tests|stac_asset|prefect_stac_asset|flows|blocks|deployments|bench|scripts|examples"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROVIDERS = [page for page in (ROOT / "docs" / "providers").glob("*.md") if page.name != "index.md"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_files_exist(document: Path) -> None:
    text = document.read_text()
    files = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text)
    missing = [name for name in files if not (document.parent / name).exists()]
    named = re.findall(rf"`((?:{FOLDERS})/[\w/.-]+)`", text)
    missing += [name for name in named if not (ROOT / name).exists()]
    assert missing == []


def test_generated_pages_have_a_page_in_the_repository() -> None:
    generated = {name: page for name, page in PAGES.items() if name.startswith("reference/")}
    committed = {f"reference/{path.name}" for path in (ROOT / "docs" / "reference").iterdir()}
    assert committed == set(generated)
    for name, page in generated.items():
        text = (ROOT / "docs" / name).read_text()
        assert text.partition("\n")[0] == page().lstrip().partition("\n")[0]
        assert f"`build/site/{name.removesuffix('.md')}.html`" in text


def test_architecture_names_every_folder_and_module() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    folders = {path.parent for path in (ROOT / "stac_asset").glob("*/__init__.py")}
    folders |= {path.parent for path in (ROOT / "flows").glob("*/__init__.py")}
    names = {str(path.relative_to(ROOT)) for path in folders}
    modules = [*(ROOT / "blocks").glob("*.py"), *(ROOT / "deployments").glob("*.py")]
    names |= {path.name for path in modules}
    unnamed = {name for name in names if f"`{name}`" not in text}
    assert unnamed == {"__init__.py"}


@pytest.mark.parametrize("page", PROVIDERS, ids=lambda path: path.stem)
def test_every_provider_has_the_same_sections(page: Path) -> None:
    text = page.read_text()
    titles = re.findall(r"^## (.*)$", text, re.M)
    assert titles[0] == "What you need"
    assert titles[1].startswith("Download")
    assert titles[-3:] == ["An item to try", "Limits", "Errors"]
    assert "stac_asset.Config(" in text
    assert ".save(" in text or "leave `credentials` empty" in text
    assert "| error | cure |" in text


OTHER_TEXTS = {
    "red,nir": "an example of a key",
    "No space left": "the operating system",
    "No space left on device": "the operating system",
    "No module named 'obstore'": "Python",
    "database is locked": "SQLite",
}
"""Texts of messages that this project does not write, with the origin."""


@pytest.fixture(scope="module")
def texts() -> str:
    """Return the strings of the source code. A formatted value is a null character."""
    found: list[str] = []
    for folder in ("stac_asset", "prefect_stac_asset", "flows", "blocks", "deployments"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = [getattr(part, "value", "") for part in node.values]
                    found.append("".join(one if isinstance(one, str) else "\0" for one in parts))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
    return "\n".join(found)


@pytest.mark.parametrize("page", ["incomplete-mirror", "troubleshooting"])
def test_described_messages_are_those_in_the_code(page: str, texts: str) -> None:
    quoted = []
    for line in (ROOT / "docs" / f"{page}.md").read_text().splitlines():
        if line.strip().startswith("|"):
            quoted += re.findall(r"(`+) ?(.+?) ?\1", line.split("|")[1])
    messages = {text for _, text in quoted if not text.isdecimal()} - set(OTHER_TEXTS)
    assert len(messages) >= 10
    for message in messages:
        # Numbers and names differ from message to message.
        for part in re.split(r"^[0-9]+ |`\w+` at …|…", message):
            assert part.strip() in texts, message


def test_every_picture_is_made_by_a_command() -> None:
    code = (ROOT / "tests" / "browser" / "test_run_form.py").read_text()
    taken = set(re.findall(r'take_screenshot\(page, "([a-z-]+)"\)', code))
    images = {path.stem for path in (ROOT / "docs" / "images").iterdir()}
    assert images == {"performance", *taken, *(f"{name}-dark" for name in taken)}
    text = "".join(document.read_text() for document in DOCUMENTS)
    assert [name for name in taken if f"images/{name}.png" not in text] == []


def test_every_guarantee_names_a_test() -> None:
    text = (ROOT / "docs" / "guarantees.md").read_text()
    rows = [line for line in text.partition("## ")[0].splitlines() if line.startswith("| **")]
    assert len(rows) >= 12
    for row in rows:
        assert re.search(r"`tests/[\w/]+\.py`", row), row
