"""Contract tests for the verification of the complete files of a destination."""

from __future__ import annotations

from stac_asset.destinations.values import Declared
from stac_asset.integrity import Multihash
from stac_asset.testing.destination_under_test import (
    KEY,
    NOTHING,
    OLD,
    DestinationUnderTest,
    multihash,
)


class FilesContract(DestinationUnderTest):
    """Tests of verification, which `DestinationContract` includes."""

    async def test_facts_of_a_file_are_returned(self) -> None:
        """The facts are the actual size, and the checksum of the actual content."""
        await self.put(KEY, OLD)
        destination = await self.make_destination()
        assert await destination.inspect("absent.bin", NOTHING) is None
        assert destination.real_key(self.location_of(KEY)) == KEY
        plain = await destination.inspect(KEY, NOTHING)
        assert plain is not None
        assert (plain.size, plain.checksum, plain.problem) == (len(OLD), None, None)
        other = multihash(b"other")
        for read in (False, True):
            facts = await destination.inspect(KEY, Declared(len(OLD), other), read)
            assert facts is not None
            assert facts.checksum == multihash(OLD)
        facts = await destination.inspect(KEY, Declared(len(OLD) + 1, other))
        assert facts is not None
        assert (facts.size, facts.checksum) == (len(OLD), None)

    async def test_recorded_checksum_is_not_trusted_on_request(self) -> None:
        """With `read`, the content is read although a checksum was recorded by the upload."""
        declared = Declared(len(OLD), multihash(OLD))
        async with self.upload(KEY, len(OLD), declared) as upload:
            await upload.write(OLD)
            await upload.commit()
        destination = await self.make_destination()
        for read in (False, True):
            facts = await destination.inspect(KEY, declared, read)
            assert facts is not None
            assert isinstance(facts.checksum, Multihash)
            assert multihash(OLD).agrees(facts.checksum)

    async def test_copy_of_a_file_is_opened(self) -> None:
        """A file can be read as a file of this machine."""
        await self.put("item/a.json", OLD)
        destination = await self.make_destination()
        async with destination.open_copy("item/a.json") as path:
            assert path.suffix == ".json"
            assert path.read_bytes() == OLD
        async with destination.open_copy("item/absent.json") as path:
            assert not path.exists()
