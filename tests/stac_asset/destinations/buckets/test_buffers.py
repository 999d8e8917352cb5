"""The memory of parts: appended bytes are read, and memory is reused."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from stac_asset.destinations.buckets.buffers import BufferBudget, PartData


@given(st.lists(st.binary(max_size=50)), st.integers(1, 60))
def test_part_is_read_like_a_file(blocks: list[bytes], step: int) -> None:
    data = b"".join(blocks)
    part = PartData(bytearray(len(data) + 10))
    for block in blocks:
        part.write(memoryview(block))
    assert bytes(part.getbuffer()) == data
    assert part.seek(0, io.SEEK_END) == len(data)
    assert part.seek(0) == part.tell() == 0
    assert b"".join(iter(lambda: part.read(step), b"")) == data
    assert part.read() == b""
    part.seek(0)
    assert part.read() == data


async def test_memory_of_the_usual_size_is_reused() -> None:
    budget = BufferBudget(40, 10)
    await budget.acquire(10, lambda: True)
    first = budget.data(10)
    first.write(b"0123456789")
    budget.release(10, first)
    assert budget.used == 0
    await budget.acquire(10, lambda: True)
    second = budget.data(10)
    assert second.memory is first.memory
    assert bytes(second.getbuffer()) == b""
    assert budget.data(10).memory is not first.memory
    assert len(budget.data(3).memory) == 3
