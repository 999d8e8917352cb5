"""Requests that are repeated during an outage of Prefect's server or of a store."""

from __future__ import annotations

import httpx
import pytest
from prefect.logging import disable_run_logger

from prefect_stac_asset.flows.execution.outages import Outages, despite_outage
from stac_asset.errors import DestinationError


def status_error(code: int) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "http://127.0.0.1/api")
    return httpx.HTTPStatusError("refused", request=request, response=httpx.Response(code))


async def test_call_is_repeated_until_the_server_answers() -> None:
    answers: list[Exception | int] = [
        httpx.ConnectError("refused"),
        status_error(503),
        7,
        status_error(422),
    ]

    async def call() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert await despite_outage(call, wait=0.001) == 7
    with pytest.raises(httpx.HTTPStatusError):
        await despite_outage(call, wait=0.001)


async def answer(error: Exception | None) -> None:
    if error is not None:
        raise error


@pytest.mark.parametrize(
    "error", [DestinationError("no answer"), httpx.ReadTimeout("no answer"), status_error(429)]
)
async def test_error_is_raised_only_after_the_longest_outage(error: Exception) -> None:
    with disable_run_logger():
        patient, impatient = Outages(600), Outages(-1)
        await patient.guard("states", answer(error))
        await patient.guard("states", answer(None))
        with pytest.raises(type(error)):
            await impatient.guard("states", answer(error))


async def test_refused_request_is_no_outage() -> None:
    with pytest.raises(httpx.HTTPStatusError):
        await Outages(600).guard("states", answer(status_error(422)))
