"""The list of design decisions."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parents[2] / "docs" / "decisions"

_INTRODUCTION = """# Design decisions

Each page gives the reasons for a part of the design.

"""


def decision_page() -> str:
    """Return the page, with a link to each page of the folder `docs/decisions`."""
    return _INTRODUCTION + "\n".join(_link(path) for path in sorted(_FOLDER.glob("0*.md"))) + "\n"


def _link(path: Path) -> str:
    with path.open(encoding="utf-8") as page:
        title = page.readline().removeprefix("#").strip()
    _, _, name = title.partition(". ")
    return f"1. [{name or title}]({path.name})"
