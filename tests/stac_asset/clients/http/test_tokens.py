"""Shared tokens: lifetime, renewal, replacement and failures."""

from __future__ import annotations

import asyncio
import math
import time

import pytest

from stac_asset.clients.http.tokens import Token, TokenKeeper
from stac_asset.errors import TokenError


def due_token(value: str) -> Token:
    """Return a token that is valid for an hour and due for renewal."""
    now = time.monotonic()
    return Token(value, ends=now + 3600, due=now)


def expired_token(value: str) -> Token:
    """Return a token that has expired."""
    now = time.monotonic()
    return Token(value, ends=now, due=now)


@pytest.mark.parametrize(("lifetime", "early"), [(3600, 60), (600, 60), (300, 30), (10, 1)])
def test_renewal_is_due_before_expiry(lifetime: float, early: float) -> None:
    token = Token.lasting("x", lifetime)
    assert token.ends - token.due == pytest.approx(early)


def test_lifetime_can_be_unlimited_and_is_never_negative() -> None:
    assert Token.lasting("x", math.inf).due == math.inf
    before = time.monotonic()
    token = Token.lasting("x", -100)
    assert token.ends >= token.due > before


def test_repr_of_token_omits_value() -> None:
    assert "s3cr3t" not in repr(Token.lasting("s3cr3t", 10))


async def test_previous_token_is_used_during_renewal() -> None:
    gate, requests = asyncio.Event(), list[int]()

    async def obtain() -> Token:
        requests.append(1)
        if len(requests) == 1:
            return due_token("old")
        await gate.wait()
        return Token.lasting("new", 3600)

    keeper = TokenKeeper(obtain)
    assert (await keeper.get()).value == "old"
    renewing = asyncio.create_task(keeper.get())
    await asyncio.sleep(0)
    assert [(await keeper.get()).value for _ in range(5)] == ["old"] * 5
    gate.set()
    assert (await renewing).value == "new"
    assert (await keeper.get()).value == "new"
    assert len(requests) == 2


async def test_previous_token_is_used_after_failed_renewal() -> None:
    requests = list[int]()

    async def obtain() -> Token:
        requests.append(1)
        if len(requests) == 1:
            return due_token("old")
        raise TokenError("no")

    keeper = TokenKeeper(obtain)
    assert [(await keeper.get()).value for _ in range(5)] == ["old"] * 5
    assert len(requests) == 2, "a failed renewal is not repeated immediately"


async def test_failure_raises_a_separate_error_for_each_caller() -> None:
    requests = list[int]()

    async def obtain() -> Token:
        requests.append(1)
        await asyncio.sleep(0)
        error = TokenError("no")
        error.transient = True
        raise error

    keeper = TokenKeeper(obtain)
    results = await asyncio.gather(*(keeper.get() for _ in range(20)), return_exceptions=True)
    assert {str(error) for error in results} == {"no"}
    assert len({id(error) for error in results}) == 20
    assert all(isinstance(error, TokenError) and error.transient for error in results)
    assert all(isinstance(error, TokenError) and not error.__context__ for error in results)
    assert len(requests) == 1


async def test_concurrent_refusals_replace_token_once() -> None:
    requests = list[int]()

    async def obtain() -> Token:
        requests.append(1)
        await asyncio.sleep(0)
        return Token.lasting(str(len(requests)), 3600)

    keeper = TokenKeeper(obtain)
    first = await keeper.get()
    assert await asyncio.gather(*(keeper.replace(first) for _ in range(20))) == [True] * 20
    assert keeper.token is not None
    assert keeper.token.value == "2"
    assert not await keeper.replace(keeper.token), "the new token is refused as well"
    assert len(requests) == 2


async def test_expired_token_is_replaced() -> None:
    issued = [expired_token("old"), Token.lasting("new", 3600)]

    async def obtain() -> Token:
        return issued.pop(0)

    keeper = TokenKeeper(obtain)
    await keeper.get()
    assert (await keeper.get()).value == "new"
