"""The log line of a failed asset, and the log line of a batch."""

from __future__ import annotations

from prefect_stac_asset.flows.execution.failure_text import failure_line, with_advice
from prefect_stac_asset.flows.orchestration.batch_log import BatchLog
from stac_asset.errors import ChecksumError, NotFoundError, StalledError, TransferError
from stac_asset.types import Candidate, Downloaded, Failed, Skipped, Transfer

TRANSFER = Transfer(
    "item 'i'", "a", (Candidate("https://example.com/a.tif?sig=SECRET", "/d/a.tif"),), "/d"
)


def test_line_has_asset_host_and_the_advice_of_the_error() -> None:
    error = ChecksumError("the digest differs")
    assert failure_line(error, "item 'i'", "a", TRANSFER) == (
        "asset 'a' of item 'i': the digest differs (host example.com). Update the item. If the "
        "item declares a wrong checksum, report it to the provider."
    )


def test_host_and_instruction_of_the_error_are_not_repeated() -> None:
    text = "404 Not Found for https://example.com/a.tif"
    error = NotFoundError(text)
    error.owner, error.key = "item 'i'", "a"
    line = failure_line(error, "item 'i'", "a", TRANSFER)
    assert line.count("example.com") == 1
    assert line.endswith(". Update the item, because the file was moved or removed.")
    instructed = "no bytes for 60 s. Increase `http_read_timeout`."
    assert with_advice(instructed, StalledError(instructed)) == instructed


def test_line_is_one_line_without_secrets_and_other_errors_have_no_advice() -> None:
    error = ValueError("broken\nhttps://example.com/a?sig=SECRET")
    line = failure_line(error, "item 'i'", "a", TRANSFER)
    assert line == "asset 'a' of item 'i': broken https://example.com/a?…"
    assert failure_line(TransferError("x"), "a document", "") == "x"


def test_batch_has_one_line_with_counts() -> None:
    log = BatchLog(500)
    candidate = TRANSFER.candidates[0]
    log.add(
        [Downloaded(TRANSFER, candidate, 10, 2000, 1.0)] * 3 + [Skipped(TRANSFER, candidate, 9)]
    )
    log.add([Failed("item 'i'", "a", ValueError("x"), TRANSFER, received=1000)])
    assert log.line() == (
        "Batch of 5 files: 3 downloaded, 1 skipped, 1 failed, 7.0 kB received. 5 of 500 files have "
        "ended."
    )
