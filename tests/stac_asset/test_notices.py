"""`stac_asset.notices`: conditions of a run that are logged once."""

from __future__ import annotations

import asyncio
import logging

import pytest

from stac_asset.notices import collect_notices, notice, notice_lines


def test_condition_is_logged_once_with_count_and_examples(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with collect_notices() as notices:
        for number in range(5):
            notice("Assets without an href are skipped", f"asset '{number}'")
        notice("Another condition")
        assert caplog.messages == []
        assert notice_lines() == notices.lines()
    assert caplog.messages == [
        "Assets without an href are skipped (5 times): such as asset '0'; asset '1'; asset '2'",
        "Another condition",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_repeated_example_counts_once() -> None:
    with collect_notices() as notices:
        notice("A condition", "item 'a'")
        notice("A condition", "item 'a'")
        assert notices.lines() == ["A condition: item 'a'"]
        notice("A condition", "item 'b'")
        assert notices.lines() == ["A condition (2 times): item 'a'; item 'b'"]


def test_inner_run_uses_the_notices_of_the_outer_run(caplog: pytest.LogCaptureFixture) -> None:
    with collect_notices() as outer:
        with collect_notices() as inner:
            assert inner is outer
            notice("A condition")
        assert caplog.messages == []
    assert caplog.messages == ["A condition"]


def test_notices_are_logged_after_an_error(caplog: pytest.LogCaptureFixture) -> None:
    def run() -> None:
        with collect_notices():
            notice("A condition")
            raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        run()
    assert caplog.messages == ["A condition"]


def test_notice_outside_of_a_run_is_logged_immediately(caplog: pytest.LogCaptureFixture) -> None:
    notice("A condition", "item 'a'")
    assert caplog.messages == ["A condition: item 'a'"]
    assert notice_lines() == []


async def test_threads_and_tasks_of_a_run_share_its_notices() -> None:
    async def task(name: str) -> None:
        notice("A condition", name)

    with collect_notices() as notices:
        await asyncio.gather(task("a"), task("b"), asyncio.to_thread(notice, "A condition", "c"))
        assert sorted(notices.lines()) == ["A condition (3 times): a; b; c"]


def test_long_secret_or_invalid_example_is_cut_redacted_and_escaped() -> None:
    with collect_notices() as notices:
        notice("A condition", "https://host/file?token=secret " + "x" * 1000 + "\ud800")
        [line] = notices.lines()
    assert "secret" not in line
    assert len(line) < 250
    assert line.endswith("…")


def test_number_of_counted_occurrences_is_bounded() -> None:
    with collect_notices() as notices:
        for number in range(10_050):
            notice("A condition", str(number))
        [line] = notices.lines()
    assert line.startswith("A condition (at least 10,000 times): such as 0; 1; 2")
