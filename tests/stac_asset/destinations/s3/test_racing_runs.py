"""Runs of two machines that write the same key: one wins, and the other fails and names the key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest

from stac_asset import Config
from stac_asset.destinations import VersionError
from stac_asset.destinations.s3.keys import note_key
from stac_asset.destinations.s3.note import starting_note
from stac_asset.destinations.s3.objects import MARK
from stac_asset.destinations.s3.unfinished import _POLL
from stac_asset.destinations.s3.upload import S3Upload
from stac_asset.testing import Lost, S3Proxy
from stac_asset.testing.client_under_test import data_of
from stac_asset.transfer.existing import find_existing
from stac_asset.types import Candidate, Transfer
from stac_asset.verify.leftovers import clean
from tests.stac_asset.destinations.s3.test_uploads import KEY, NOTHING, send
from tests.support.conditional_s3 import ConditionalS3
from tests.support.s3_destinations import PART, Bucket

SIZE = 2 * PART
SOURCES = ("https://one.example/B04.tif", "https://two.example/B04.tif")


@pytest.fixture
async def strict(service: str) -> AsyncIterator[Bucket]:
    """Return a bucket of a service that checks all conditions."""
    with ConditionalS3(service) as proxy:
        async with Bucket.create(proxy.url) as bucket:
            yield bucket


@pytest.fixture(params=[True, False], ids=["conditions", "leases"])
async def each(request: pytest.FixtureRequest, service: str) -> AsyncIterator[Bucket]:
    """Return a bucket of a service with conditions, or without, where runs hold leases."""
    running = ConditionalS3(service) if request.param else S3Proxy(service, conditional=False)
    with running as proxy:
        async with Bucket.create(proxy.url) as bucket:
            yield bucket


async def skip(bucket: Bucket) -> None:
    """Find the object of the key on a third machine, and skip the download."""
    directory = f"s3://{bucket.name}/{bucket.prefix}"
    candidate = Candidate(SOURCES[0], f"{directory}/{KEY}")
    transfer = Transfer("item 'a'", "data", (candidate,), directory)
    destination = bucket.destination(machine="machine-2")
    assert await find_existing(transfer, NOTHING, Config(), destination) is not None


def opened(bucket: Bucket, number: int) -> AbstractAsyncContextManager[S3Upload]:
    """Open the upload of one of two machines."""
    # In a process, a key of a machine has one upload at a time.
    destination = bucket.destination(machine=f"machine-{number}")
    return destination.open_upload(KEY, SOURCES[number], NOTHING)


async def test_multipart_upload_does_not_replace_a_newer_object(strict: Bucket) -> None:
    await strict.put(KEY, b"old")
    async with strict.destination().open_upload(KEY, SOURCES[0], NOTHING) as upload:
        await upload.begin(0, '"1"', SIZE)
        await upload.write(data_of(SIZE))
        await strict.put(KEY, b"of another run")
        with pytest.raises(VersionError, match=f"{KEY} was written by another run"):
            await upload.commit()
        await upload.discard()
    assert await strict.content(KEY) == b"of another run"
    assert not await strict.has_leftovers()


async def test_multipart_upload_does_not_restore_a_removed_object(strict: Bucket) -> None:
    await strict.put(KEY, b"old")
    async with strict.destination().open_upload(KEY, SOURCES[0], NOTHING) as upload:
        await upload.begin(0, '"1"', SIZE)
        await upload.write(data_of(SIZE))
        await strict.destination().remove(KEY)
        with pytest.raises(VersionError, match=f"{KEY} was written by another run"):
            await upload.commit()
        await upload.discard()
    assert await strict.content(KEY) is None
    assert not await strict.has_leftovers()


async def test_unchanged_object_is_replaced(strict: Bucket) -> None:
    for size in (SIZE, 100, SIZE + 1):
        await send(strict.destination(), data_of(size))
        assert await strict.content(KEY) == data_of(size)


@pytest.mark.parametrize("existing", [None, b"old"])
@pytest.mark.parametrize("size", [100, SIZE])
async def test_one_of_two_runs_wins(strict: Bucket, existing: bytes | None, size: int) -> None:
    if existing is not None:
        await strict.put(KEY, existing)
    both = asyncio.Barrier(2)
    contents = [bytes([number]) * size for number in range(2)]

    async def run(number: int) -> None:
        async with opened(strict, number) as upload:
            await both.wait()  # Both runs have found the same object.
            await upload.begin(0, '"1"', size)
            await upload.write(contents[number])
            await both.wait()
            await upload.commit()

    results = await asyncio.gather(run(0), run(1), return_exceptions=True)
    [lost] = [one for one in results if one is not None]
    assert isinstance(lost, VersionError)
    assert f"s3://{strict.name}/{strict.prefix}/{KEY} was written by another run" in str(lost)
    winner = results.index(None)
    assert await strict.content(KEY) == contents[winner]
    assert not await strict.has_leftovers()


@pytest.mark.parametrize("killed", [0, 1], ids=["first", "second"])
async def test_upload_of_a_killed_run_keeps_its_note(strict: Bucket, killed: int) -> None:
    """Without the note, `clean` would take the upload for one of another program."""
    both = asyncio.Barrier(2)

    async def run(number: int) -> None:
        async with opened(strict, number) as upload:
            await both.wait()  # No run has found a note.
            if number == 1:
                await both.wait()
            await upload.begin(0, '"1"', SIZE)
            await upload.write(data_of(PART))
            await upload._multipart.wait()
            if number == 0:
                await both.wait()
            if number == killed:
                return  # As after a kill, the upload is neither completed nor aborted.
            await upload.write(data_of(SIZE)[PART:])
            await upload.commit()

    await asyncio.gather(run(0), run(1))
    assert len(await strict.uploads()) == 1
    done = await clean(strict.destination(), older_than=0)
    assert [one.keys[0] for one in done.removed] == [KEY]
    assert done.foreign == ()
    assert await strict.content(KEY) == data_of(SIZE)
    assert not await strict.has_leftovers()


async def test_upload_without_an_id_keeps_its_note(strict: Bucket) -> None:
    """As after a kill between the request that starts an upload and the note with the id."""
    async with opened(strict, 0) as first, opened(strict, 1) as second:
        await first.begin(0, '"1"', SIZE)
        await first.write(data_of(PART))
        killed, full = second._multipart, f"{strict.prefix}/{KEY}"
        await killed._note.write(starting_note(full))
        await killed._store.multipart.create(full, {})
        await first.write(data_of(SIZE)[PART:])
        await first.commit()
    assert len(await strict.uploads()) == 1
    done = await clean(strict.destination(), older_than=0)
    assert (len(done.removed), done.foreign) == (1, ())
    assert not await strict.has_leftovers()


async def test_first_notes_of_two_runs_are_two_objects(strict: Bucket) -> None:
    """Both runs write the same note, and the second is killed after the start of its upload."""
    async with opened(strict, 0) as first, opened(strict, 1) as second:
        killed, full = second._multipart, f"{strict.prefix}/{KEY}"
        for multipart in (first._multipart, killed):
            await multipart._note.write(starting_note(full))
        await killed._store.multipart.create(full, {})
        await first.begin(0, '"1"', SIZE)
        await first.write(data_of(SIZE))
        await first.commit()
    assert len(await strict.uploads()) == 1
    done = await clean(strict.destination(), older_than=0)
    assert (len(done.removed), done.foreign) == (1, ())
    assert not await strict.has_leftovers()


async def test_run_that_fails_keeps_the_note_of_the_other_run(strict: Bucket) -> None:
    async with opened(strict, 0) as first, opened(strict, 1) as second:
        for upload in (first, second):
            await upload.begin(0, '"1"', SIZE)
            await upload.write(data_of(PART))
            await upload._multipart.wait()
        await second.discard()
    [leftover] = [one async for one in strict.destination().leftovers()]
    assert not leftover.is_foreign
    await send(strict.destination(), data_of(SIZE))
    assert not await strict.has_leftovers()


async def test_upload_that_another_run_starts_is_not_aborted(strict: Bucket) -> None:
    """The second run finds the note that the first run writes before its upload has an id."""
    second = strict.destination(machine="machine-1", start_timeout=600.0)
    is_open = asyncio.Event()

    async def run() -> None:
        async with second.open_upload(KEY, SOURCES[0], NOTHING):
            is_open.set()

    async with opened(strict, 0) as first:
        multipart, full = first._multipart, f"{strict.prefix}/{KEY}"
        await multipart._note.write(starting_note(full))
        running = asyncio.create_task(run())
        await second._folders.has_note(full)
        upload = await multipart._store.multipart.create(full, {MARK: multipart.mark})
        # An earlier `abort` of the second run would remove the note.
        await asyncio.sleep(2 * _POLL)
        assert not is_open.is_set()
        multipart.upload = upload
        await first.begin(0, '"1"', SIZE)
        await multipart._note.write(first._writer._note(upload, multipart.mark).to_bytes())
        await running
        await first.write(data_of(SIZE))
        await first.commit()
    assert await strict.content(KEY) == data_of(SIZE)
    assert not await strict.has_leftovers()


async def test_upload_without_parts_is_not_aborted_by_another_run(strict: Bucket) -> None:
    async with opened(strict, 0) as first:
        await first.begin(0, '"1"', SIZE)
        await first._multipart.start(first._writer._note)
        # The source of the second run sends no response.
        async with strict.destination(machine="machine-1").open_upload(KEY, SOURCES[0], NOTHING):
            pass
        # The second run receives less than a part.
        async with strict.destination(machine="machine-1").open_upload(
            KEY, SOURCES[0], NOTHING
        ) as second:
            await second.begin(0, '"1"', SIZE)
            await second.write(b"1")
        await first.write(data_of(SIZE))
        await first.commit()
    assert await strict.content(KEY) == data_of(SIZE)
    assert not await strict.has_leftovers()


async def test_run_that_skips_the_object_keeps_the_upload_of_a_run_that_overwrites(
    each: Bucket,
) -> None:
    await each.put(KEY, b"old")
    async with opened(each, 0) as upload:
        await upload.begin(0, '"1"', SIZE)
        await upload.write(data_of(PART))
        await upload._multipart.wait()
        await skip(each)
        await upload.write(data_of(SIZE)[PART:])
        await upload.commit()
    assert await each.content(KEY) == data_of(SIZE)
    assert not await each.has_leftovers()


async def test_upload_of_a_killed_run_is_removed_if_it_cannot_replace_the_object(
    strict: Bucket,
) -> None:
    await strict.put(KEY, b"old")
    async with opened(strict, 0) as killed:
        await killed.begin(0, '"1"', SIZE)
        await killed.write(data_of(PART))
    await skip(strict)
    async with opened(strict, 0) as resumed:
        assert resumed.offset == PART
    await strict.put(KEY, b"of another run")
    await skip(strict)
    assert not await strict.has_leftovers()


async def test_upload_that_cannot_replace_the_object_is_not_resumed(strict: Bucket) -> None:
    """A run that skips the object could otherwise abort the resumed upload."""
    async with opened(strict, 0) as killed:
        await killed.begin(0, '"1"', SIZE)
        await killed.write(data_of(PART))
    await strict.put(KEY, b"of another run")
    async with opened(strict, 0) as upload:
        assert upload.offset == 0
    assert not await strict.has_leftovers()


@pytest.mark.parametrize("size", [100, SIZE])
async def test_upload_without_parts_of_a_killed_run_is_completed(strict: Bucket, size: int) -> None:
    """The size is not known to the killed run. The file can be smaller than a part."""
    async with opened(strict, 0) as killed:
        await killed.begin(0, '"1"', None)
        await killed._multipart.start(killed._writer._note)
        killed._ended = True
    assert len(await strict.uploads()) == 1
    async with strict.destination().open_upload(KEY, SOURCES[0], NOTHING) as upload:
        await upload.begin(0, '"1"', size)
        await upload.write(data_of(size))
        await upload.commit()
    assert await strict.content(KEY) == data_of(size)
    assert not await strict.has_leftovers()


async def test_lost_id_does_not_end_uploads_that_other_notes_name(strict: Bucket) -> None:
    """A killed run left a note without an id, and a second run has a note of another name."""
    full = f"{strict.prefix}/{KEY}"
    async with opened(strict, 1) as second:
        await strict.put(note_key(KEY), starting_note(full))
        await strict.client.create_multipart_upload(Bucket=strict.name, Key=full)
        await second.begin(0, '"1"', SIZE)
        await second.write(data_of(PART))
        await second._multipart.wait()
        async with strict.destination(machine="machine-2").open_upload(KEY, SOURCES[0], NOTHING):
            assert len(await strict.uploads()) == 1
        await second.write(data_of(SIZE)[PART:])
        await second.commit()
    assert await strict.content(KEY) == data_of(SIZE)
    assert not await strict.has_leftovers()


async def test_lost_responses_to_notes_leave_no_note(proxied: Bucket, proxy: S3Proxy) -> None:
    proxy.fault("PutObject", Lost(), key="*.part.json", times=2)
    await send(proxied.destination(), data_of(SIZE))
    assert await proxied.content(KEY) == data_of(SIZE)
    assert not await proxied.has_leftovers()
