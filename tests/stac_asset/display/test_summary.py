"""`repr` and HTML of plans and results, with hostile titles, keys and hrefs."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pystac
from hypothesis import given
from hypothesis import strategies as st

from stac_asset import Config, plan_item
from stac_asset.audit.differences import Difference, Kind
from stac_asset.audit.summary import AuditSummary
from stac_asset.display import Shown
from stac_asset.display.summary import html_of, plain
from stac_asset.mirror.source_item import Key
from stac_asset.testing import Origin
from stac_asset.verify.results import Summary
from tests.support.remote_items import remote_item
from tests.support.strategies import fuzz, texts

TAGS = {"div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td"}


class Page(HTMLParser):
    """The tags and the text of HTML. All tags must be closed in order and have no attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert attrs == []
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


hostile = texts | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "</td></table><img src=x onerror=alert(1)>",
        "&lt;b&gt;",
        "' onload='x",
        "data:image/png;base64," + "A" * 10_000,
        "https://user:hunter2@example.com/a.tif?X-Amz-Signature=hunter2",
    ]
)


@given(hostile, hostile, st.lists(st.tuples(hostile, hostile | st.integers()), max_size=30))
@fuzz(200)
def test_html_of_hostile_texts_has_no_other_tags_and_no_secrets(
    title: str, text: str, rows: list[tuple[Any, ...]]
) -> None:
    shown = Shown(text, {"href": title}, ("key", "href"), rows, len(rows))
    html = html_of(title, shown)
    assert "hunter2" not in html
    assert len(html) < 60_000
    html.encode()
    page = Page(html)
    assert plain(text, 300) in page.text
    assert page.text.isprintable()


def test_long_values_are_cut() -> None:
    assert plain("x" * 500) == "x" * 119 + "…"
    assert plain("data:image/png;base64," + "A" * 500) == "data:image/png;base64,…"
    assert plain(12345) == "12,345"
    assert plain("a\nb\x1b[31m\u202e\ud800") == "a b\\x1b[31m\\u202e\\ud800"


def test_only_first_rows_are_shown() -> None:
    page = Page(html_of("Plan", Shown("x", {}, ("n",), ((n,) for n in range(10**6)), 10**6)))
    assert page.text.endswith("19and 999,980 more")


async def test_plan_shows_directory_assets_and_reasons(origin: Origin, tmp_path: Path) -> None:
    item = remote_item(origin, "a", "<b>")
    item.add_asset("c", pystac.Asset("https://u:hunter2@127.0.0.1:1/c.tif?sig=hunter2"))
    config = Config(http_max_attempts=1)
    plan = await plan_item(item, tmp_path / "<i>", config=config)
    assert repr(plan).startswith("<Plan: 3 to download")
    assert "\n" not in repr(plan)
    html = plan._repr_html_()
    page = Page(html)
    assert all(text in page.text for text in ("<i>", "<b>", "new", "a.tif"))
    assert "hunter2" not in html + repr(plan) + repr(plan.summary)
    assert repr(plan.summary).startswith("<PlanSummary: Items: 1 new. 3 files to download")
    assert "the-item" in Page(plan.summary._repr_html_()).text


def test_audits_and_verifications_show_counts_and_first_rows() -> None:
    audit = AuditSummary(found=3, unchanged=1)
    for number in range(150):
        audit.add(Difference(Kind.MISSING, "the file is missing", Key("c", f"<{number}>"), "B04"))
    assert repr(audit) == "<AuditSummary: 1 of 3 items of the source are up to date; 150 missing>"
    page = Page(audit._repr_html_())
    assert "<19>" in page.text
    assert "and 130 more" in page.text
    assert repr(Summary()) == "<Summary: 0 of 0 files are good>"
    assert Page(Summary()._repr_html_()).text == "Summary: 0 of 0 files are good"
