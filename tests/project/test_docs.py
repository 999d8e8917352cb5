"""What the documents name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_files_exist(document: Path) -> None:
    text = document.read_text()
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    missing = [name for name in linked if not (document.parent / name).exists()]
    named = re.findall(r"`((?:tests|stac_asset|flows|bench|scripts|examples)/[\w/.-]+)`", text)
    missing += [name for name in named if not (ROOT / name).exists()]
    assert missing == []


def test_every_promise_names_a_test() -> None:
    text = (ROOT / "docs" / "promises.md").read_text()
    rows = [line for line in text.partition("## ")[0].splitlines() if line.startswith("| **")]
    assert len(rows) == 11
    for row in rows:
        assert re.search(r"`tests/[\w/]+\.py`", row), row


def test_every_promise_test_is_named() -> None:
    text = (ROOT / "docs" / "promises.md").read_text()
    for test in (ROOT / "tests" / "promises").glob("test_*.py"):
        assert f"tests/promises/{test.name}" in text
