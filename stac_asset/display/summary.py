"""Internal: a short `repr`, and HTML for notebooks, of plans and results.

Titles, keys and hrefs come from documents of others, so every text is escaped, cut and redacted.
The HTML has no colors of its own, and is readable on light and on dark backgrounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import islice

from stac_asset.redact import redact_href, redact_text, shortened

_MAX_ROWS = 20
"""Maximum number of rows of a table."""

_MAX_TEXT = 300
"""Maximum length of a `repr` or a sentence, in characters."""

_MAX_CELL = 120
"""Maximum length of a value, in characters."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The text, the values and the table of a plan or result."""

    text: str
    """The object as a phrase or sentence."""

    facts: Mapping[str, object] = field(default_factory=dict)
    """Further values by name. Empty values are left out."""

    columns: Sequence[str] = ()
    """The names of the columns of the table. Without columns, there is no table."""

    rows: Iterable[Sequence[object]] = ()
    """The rows of the table, of which the first are shown."""

    count: int = 0
    """Number of all rows."""


class Display:
    """A plan or result with a short `repr`, and with HTML for notebooks."""

    __slots__ = ()

    def _shown(self) -> Shown:
        """Return the text, the values and the table of the object."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {plain(self._shown().text, _MAX_TEXT)}>"

    def _repr_html_(self) -> str:
        """Return the object as HTML. Notebooks call this method."""
        return html_of(type(self).__name__, self._shown())


def html_of(title: str, shown: Shown) -> str:
    """Return a plan or result as HTML.

    Args:
        title: The title.
        shown: The text, the values and the table.
    """
    parts = [f"<p><strong>{_escaped(title)}</strong>: {_escaped(shown.text, _MAX_TEXT)}</p>"]
    facts = {name: value for name, value in shown.facts.items() if value not in (None, "", [], ())}
    if facts:
        lines = (
            f"<tr><th>{_escaped(name)}</th><td>{_escaped(value)}</td></tr>"
            for name, value in facts.items()
        )
        parts.append(f"<table>{''.join(lines)}</table>")
    rows = list(islice(shown.rows, _MAX_ROWS))
    if shown.columns and rows:
        head = _row("th", shown.columns)
        body = "".join(_row("td", row) for row in rows)
        parts.append(f"<table><thead>{head}</thead><tbody>{body}</tbody></table>")
        if shown.count > len(rows):
            parts.append(f"<p>and {shown.count - len(rows):,} more</p>")
    return f"<div>{''.join(parts)}</div>"


def plain(value: object, length: int = _MAX_CELL) -> str:
    """Return a value as a line of text without secrets and control characters.

    Args:
        value: The value. Numbers get separators of thousands.
        length: Maximum number of characters.
    """
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = str(value)
    # Long texts are cut before the search for hrefs, whose time grows with the length.
    text = shortened(text, 10 * length)
    text = redact_href(text) if text[:5].lower() == "data:" else redact_text(text)
    return shortened("".join(map(_printable, text)), length)


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else character.encode("unicode_escape").decode()


def _row(tag: str, values: Sequence[object]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_escaped(value)}</{tag}>' for value in values)}</tr>"


def _escaped(value: object, length: int = _MAX_CELL) -> str:
    return escape(plain(value, length))
