"""The retry loop: retryable errors, number of attempts and waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from stac_asset import Config
from stac_asset.errors import (
    AccessError,
    ChecksumError,
    ConfigError,
    ConnectionFailedError,
    DestinationError,
    NotFoundError,
    RangeError,
    ResponseError,
    SizeError,
    StalledError,
    TransferError,
    TruncatedError,
)
from stac_asset.transfer.retry import is_transient, retry, wait_after


def error_with_retry_after(seconds: float) -> TransferError:
    """Return a transient error of a source that requests a wait."""
    return ResponseError(503, "Service Unavailable", "https://example.com/a", seconds)


class Attempts:
    """A call that raises errors in order, and then returns `done`."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.count = 0

    async def __call__(self) -> str:
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


class RecordingLoop(asyncio.SelectorEventLoop):
    """An event loop that records the delays of timers, and calls the timers immediately."""

    def __init__(self) -> None:
        super().__init__()
        self.delays: list[float] = []

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        self.delays.append(delay)
        return self.call_soon(callback, *args, **kwargs)


@pytest.fixture
def config() -> Config:
    return Config(retry_wait=0, retry_wait_max=0, http_max_attempts=4)


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (ConnectionFailedError("x"), True),
        (StalledError("x"), True),
        (TruncatedError("x"), True),
        (RangeError("x"), True),
        (ResponseError(429), True),
        (ResponseError(503), True),
        (ResponseError(404), False),
        (ResponseError(501), False),
        (NotFoundError("x"), False),
        (AccessError("x"), False),
        (SizeError("x"), False),
        (ChecksumError("x"), False),
        (DestinationError("x"), False),
        (TransferError("x"), False),
        (ConfigError("x"), False),
        (ConnectionError("x"), False),
        (TimeoutError("x"), False),
        (asyncio.CancelledError(), False),
    ],
    ids=lambda value: f"{type(value).__name__}-{getattr(value, 'status', '')}".rstrip("-"),
)
def test_transient_errors_are_transfer_errors_that_may_pass(
    error: BaseException, transient: bool
) -> None:
    assert is_transient(error) is transient


def test_error_instance_can_be_transient() -> None:
    error = ChecksumError("of a resumed file")
    error.transient = True
    assert is_transient(error)


async def test_successful_call_is_not_repeated(config: Config) -> None:
    attempts = Attempts()
    assert await retry(attempts, config) == "done"
    assert attempts.count == 1


async def test_transient_errors_are_retried_until_success(config: Config) -> None:
    attempts = Attempts(*(TruncatedError(str(number)) for number in range(3)))
    assert await retry(attempts, config) == "done"
    assert attempts.count == 4


async def test_last_error_is_raised_after_last_attempt(config: Config) -> None:
    errors = [TruncatedError(str(number)) for number in range(5)]
    attempts = Attempts(*errors)
    with pytest.raises(TruncatedError) as raised:
        await retry(attempts, config)
    assert raised.value is errors[3]
    assert attempts.count == 4


@pytest.mark.parametrize("error", [NotFoundError("x"), ValueError("x"), asyncio.CancelledError()])
async def test_permanent_error_is_raised_immediately(config: Config, error: BaseException) -> None:
    attempts = Attempts(TruncatedError("x"), error)
    with pytest.raises(type(error)) as raised:
        await retry(attempts, config)
    assert raised.value is error
    assert attempts.count == 2


async def test_cancellation_is_never_retried(config: Config) -> None:
    attempts = Attempts(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await retry(attempts, config, lambda error: True)
    assert attempts.count == 1


@pytest.mark.parametrize(("max_attempts", "count"), [(None, 4), (1, 1), (2, 2), (9, 4)])
async def test_max_attempts_lowers_configured_number(
    config: Config, max_attempts: int | None, count: int
) -> None:
    attempts = Attempts(*(TruncatedError("x") for _ in range(10)))
    with pytest.raises(TruncatedError):
        await retry(attempts, config, max_attempts=max_attempts)
    assert attempts.count == count


async def test_is_retryable_is_called_once_per_error(config: Config) -> None:
    errors = [ValueError("first"), ValueError("second"), KeyError("third")]
    seen: list[Exception] = []

    def is_retryable(error: Exception) -> bool:
        seen.append(error)
        return isinstance(error, ValueError)

    with pytest.raises(KeyError):
        await retry(Attempts(*errors), config, is_retryable)
    assert seen == errors


def test_loop_waits_between_attempts_only() -> None:
    config = Config(retry_wait=0, retry_wait_max=20, http_max_attempts=4)
    errors = [error_with_retry_after(seconds) for seconds in (7, 0, 20, 5)]
    with asyncio.Runner(loop_factory=RecordingLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, RecordingLoop)
        with pytest.raises(ResponseError):
            runner.run(retry(Attempts(*errors), config))
        # asyncio.sleep(0) needs no timer. No wait follows the last attempt.
        assert loop.delays == [7, 20]


def test_waits_grow_with_full_jitter_up_to_maximum() -> None:
    config = Config(retry_wait=1.0, retry_wait_max=20.0, http_max_attempts=9)
    error = TruncatedError("again")
    waits = [[wait_after(config, attempt, error) for _ in range(200)] for attempt in range(1, 9)]
    for index, attempt_waits in enumerate(waits):
        ceiling = min(20.0, 2.0**index)
        assert max(attempt_waits) <= ceiling
        assert min(attempt_waits) < 0.2 * ceiling
        assert max(attempt_waits) > 0.8 * ceiling


@pytest.mark.parametrize(
    ("retry_after", "wait"), [(None, 0), (0, 0), (7, 7), (100, 100), (86400, 900)]
)
def test_retry_after_is_minimum_up_to_host_wait_max(retry_after: float | None, wait: float) -> None:
    config = Config(retry_wait=0, retry_wait_max=20)
    error = ResponseError(503, retry_after=retry_after)
    assert wait_after(config, 1, error) == wait


def test_jitter_is_added_to_retry_after() -> None:
    config = Config(retry_wait=1, retry_wait_max=20)
    waits = [wait_after(config, 2, error_with_retry_after(5)) for _ in range(100)]
    assert all(5 <= wait <= 7 for wait in waits)
    assert len(set(waits)) > 1


@pytest.mark.parametrize("error", [None, ValueError("x")])
def test_errors_without_retry_after_have_no_minimum_wait(error: Exception | None) -> None:
    assert wait_after(Config(retry_wait=0, retry_wait_max=20), 1, error) == 0


def test_wait_of_very_late_attempt_is_limited() -> None:
    config = Config(retry_wait=1, retry_wait_max=20)
    assert 0 <= wait_after(config, 5000, TruncatedError("x")) <= 20
