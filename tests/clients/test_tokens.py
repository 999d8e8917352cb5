"""Tokens that many share: whose turn it is, and what becomes of failures."""

from __future__ import annotations

import asyncio
import math
import time

import pytest

from stac_asset.clients.http.tokens import Token, TokenKeeper
from stac_asset.errors import TokenError


def due(value: str) -> Token:
    """A token that is good for an hour yet, but past the moment to be renewed."""
    now = time.monotonic()
    return Token(value, ends=now + 3600, due=now)


def ended(value: str) -> Token:
    now = time.monotonic()
    return Token(value, ends=now, due=now)


@pytest.mark.parametrize(("life", "early"), [(3600, 60), (600, 60), (300, 30), (10, 1)])
def test_a_token_is_due_before_it_ends(life: float, early: float) -> None:
    token = Token.lasting("x", life)
    assert token.ends - token.due == pytest.approx(early)


def test_a_token_may_never_end_and_lives_for_a_second_at_least() -> None:
    assert Token.lasting("x", math.inf).due == math.inf
    before = time.monotonic()
    token = Token.lasting("x", -100)
    assert token.ends >= token.due > before


def test_a_token_does_not_show_its_value() -> None:
    assert "s3cr3t" not in repr(Token.lasting("s3cr3t", 10))


async def test_while_a_token_is_renewed_the_old_one_serves() -> None:
    gate, asked = asyncio.Event(), list[int]()

    async def obtain() -> Token:
        asked.append(1)
        if len(asked) == 1:
            return due("old")
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
    assert len(asked) == 2


async def test_where_a_token_cannot_be_renewed_the_old_one_serves_to_its_end() -> None:
    asked = list[int]()

    async def obtain() -> Token:
        asked.append(1)
        if len(asked) == 1:
            return due("old")
        raise TokenError("no")

    keeper = TokenKeeper(obtain)
    assert [(await keeper.get()).value for _ in range(5)] == ["old"] * 5
    assert len(asked) == 2, "after a failure it waits before it asks again"


async def test_a_failure_is_told_to_all_and_each_gets_an_error_of_its_own() -> None:
    asked = list[int]()

    async def obtain() -> Token:
        asked.append(1)
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
    assert len(asked) == 1


async def test_a_refused_token_is_replaced_by_the_first_who_says_so() -> None:
    asked = list[int]()

    async def obtain() -> Token:
        asked.append(1)
        await asyncio.sleep(0)
        return Token.lasting(str(len(asked)), 3600)

    keeper = TokenKeeper(obtain)
    first = await keeper.get()
    assert await asyncio.gather(*(keeper.replace(first) for _ in range(20))) == [True] * 20
    assert keeper.token is not None
    assert keeper.token.value == "2"
    assert not await keeper.replace(keeper.token), "it is new, and refused too"
    assert len(asked) == 2


async def test_a_token_that_has_ended_is_not_given_out() -> None:
    given = [ended("old"), Token.lasting("new", 3600)]

    async def obtain() -> Token:
        return given.pop(0)

    keeper = TokenKeeper(obtain)
    await keeper.get()
    assert (await keeper.get()).value == "new"
