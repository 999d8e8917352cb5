"""Unfinished uploads, notes and leases that interrupted runs left in a prefix."""

from __future__ import annotations

from stac_asset.destinations.buckets.keys import PROBE
from stac_asset.destinations.s3 import S3Destination
from stac_asset.destinations.s3.keys import lease_key, note_key
from stac_asset.destinations.s3.note import starting_note
from stac_asset.destinations.values import Declared, Leftover
from stac_asset.testing import S3Proxy
from stac_asset.testing.client_under_test import data_of
from stac_asset.verify.leftovers import clean
from tests.stac_asset.destinations.s3.test_uploads import KEY, SOURCE, multihash, send
from tests.support.s3_destinations import PART, Bucket


async def leftovers_of(destination: S3Destination) -> list[Leftover]:
    return [leftover async for leftover in destination.leftovers()]


async def test_unfinished_upload_is_aborted_with_its_note(bucket: Bucket) -> None:
    await bucket.put("other.bin", b"complete")
    await send(bucket.destination(), data_of(2 * PART), stop_after=PART)
    [leftover] = await leftovers_of(bucket.destination())
    assert leftover.location == f"s3://{bucket.name}/{bucket.prefix}/{KEY}"
    assert (leftover.size, leftover.is_foreign) == (PART, False)
    assert 0 <= leftover.age < 3600
    young = await clean(bucket.destination(), older_than=3600)
    assert (young.removed, [one.upload for one in young.young]) == ((), [leftover.upload])
    assert leftover.upload is not None
    planned = await clean(bucket.destination(), older_than=0, dry_run=True)
    assert [one.location for one in planned.removed] == [leftover.location]
    assert len(await bucket.uploads()) == 1
    done = await clean(bucket.destination(), older_than=0)
    assert [one.location for one in done.removed] == [leftover.location]
    assert not await bucket.has_leftovers()
    assert await bucket.keys() == [f"{bucket.prefix}/other.bin"]
    assert await leftovers_of(bucket.destination()) == []


async def test_uploads_of_other_programs_and_prefixes_stay(bucket: Bucket) -> None:
    for key in (f"{bucket.prefix}/foreign.bin", f"{bucket.prefix}-2/neighbour.bin"):
        await bucket.client.create_multipart_upload(Bucket=bucket.name, Key=key)
    done = await clean(bucket.destination(), older_than=0)
    assert done.removed == ()
    assert [one.location.rpartition("/")[2] for one in done.foreign] == ["foreign.bin"]
    assert len(await bucket.uploads()) == 2


async def test_uploads_without_a_note_are_aborted_on_request(bucket: Bucket) -> None:
    """As after another program that removed all objects of a prefix."""
    for key in (f"{bucket.prefix}/{KEY}", f"{bucket.prefix}-2/neighbour.bin"):
        where = {"Bucket": bucket.name, "Key": key}
        started = await bucket.client.create_multipart_upload(**where)
        upload = started["UploadId"]
        await bucket.client.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"1")
    young = await clean(bucket.destination(), older_than=3600, without_note=True)
    assert (young.removed, len(young.young), young.foreign) == ((), 1, ())
    done = await clean(bucket.destination(), older_than=0, without_note=True)
    assert [one.keys for one in done.removed] == [(KEY,)]
    assert [one["Key"] for one in await bucket.uploads()] == [f"{bucket.prefix}-2/neighbour.bin"]


async def test_note_of_another_upload_does_not_claim_an_upload(bucket: Bucket) -> None:
    await send(bucket.destination(), data_of(2 * PART), stop_after=PART)
    [upload] = await bucket.uploads()
    await bucket.client.abort_multipart_upload(
        Bucket=bucket.name, Key=upload["Key"], UploadId=upload["UploadId"]
    )
    await bucket.client.create_multipart_upload(Bucket=bucket.name, Key=upload["Key"])
    done = await clean(bucket.destination(), older_than=0)
    assert [one.keys for one in done.removed] == [(note_key(KEY),)]
    assert [one.keys for one in done.foreign] == [(KEY,)]
    assert len(await bucket.uploads()) == 1


async def test_upload_of_a_run_that_was_killed_at_its_start_is_aborted(bucket: Bucket) -> None:
    full = f"{bucket.prefix}/{KEY}"
    await bucket.put(note_key(KEY), starting_note(full))
    await bucket.client.create_multipart_upload(Bucket=bucket.name, Key=full)
    done = await clean(bucket.destination(), older_than=0)
    assert [one.keys for one in done.removed] == [(KEY, note_key(KEY))]
    assert not await bucket.has_leftovers()


async def test_notes_leases_and_probes_of_killed_runs_are_removed(bucket: Bucket) -> None:
    for name in (note_key(KEY), f"item/{PROBE}1", f"{PROBE}2"):
        await bucket.put(name, b"{}")
    await bucket.put(lease_key(KEY), b"{}")  # A lease that may still be renewed.
    done = await clean(bucket.destination(), older_than=0)
    assert len(done.removed) == 3
    assert await bucket.keys() == [f"{bucket.prefix}/{lease_key(KEY)}"]


async def test_open_upload_of_this_process_is_kept(bucket: Bucket) -> None:
    data = data_of(2 * PART)
    destination = bucket.destination()
    async with destination.open_upload(KEY, SOURCE, Declared()) as upload:
        await upload.begin(0, '"1"', len(data))
        await upload.write(data[:PART])
        await upload._multipart.wait()
        done = await clean(bucket.destination(), older_than=0)
        assert (len(done.removed), len(done.in_use)) == (0, 1)
        await upload.write(data[PART:])
        await upload.commit()
    assert await bucket.content(KEY) == data


async def test_upload_from_a_source_without_versions_has_a_note(
    proxied: Bucket, proxy: S3Proxy
) -> None:
    """A later run continues an upload with a checksum, and aborts an upload without a checksum."""
    data = data_of(3 * PART)
    for declared in (Declared(len(data), multihash(data)), Declared(len(data))):
        async with proxied.destination().open_upload(KEY, SOURCE, declared) as upload:
            await upload.begin(0, None, len(data))
            await upload.write(data[: 2 * PART])
            await upload._multipart.wait()
            assert not [one for one in await leftovers_of(proxied.destination()) if one.is_foreign]
        is_kept = declared.checksum is not None
        assert len(await proxied.uploads()) == is_kept
        proxy.clear()
        async with proxied.destination().open_upload(KEY, SOURCE, declared) as upload:
            await upload.begin(0, None, len(data))
            await upload.write(data)
            await upload.commit()
        assert len(proxy.received("UploadPart")) == (1 if is_kept else 3)
        assert await proxied.content(KEY) == data
        assert not await proxied.has_leftovers()
