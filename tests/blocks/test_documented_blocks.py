"""The blocks in the documentation are saved by a real Prefect server."""

from __future__ import annotations

import re
from typing import Any

import pytest

from prefect_stac_asset import blocks
from tests.support.paths import ROOT

PAGES = [ROOT / "docs" / "credentials.md", *sorted((ROOT / "docs" / "providers").glob("*.md"))]
EXAMPLES = [
    pytest.param(code, id=f"{page.stem}-{name}")
    for page in PAGES
    for code in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    for name in re.findall(r"^\)?.*\.save\(\s*\"([a-z-]+)\"", code, re.M)
]


def test_pages_have_examples() -> None:
    assert len(EXAMPLES) >= 9


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("code", EXAMPLES)
def test_documented_block_is_saved_and_loaded(code: str) -> None:
    [kind] = re.findall(r"^(\w+)\(", code, re.M)
    [name] = re.findall(r"\.save\(\s*\"([a-z-]+)\"", code)
    again = re.sub(r"\.save\((\"[a-z-]+\")\)", r".save(\1, overwrite=True)", code)
    names: dict[str, Any] = {}
    exec(again, names)
    loaded: Any = getattr(blocks, kind).load(name)
    assert type(loaded).__name__ == kind
