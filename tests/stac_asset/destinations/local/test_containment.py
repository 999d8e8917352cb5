"""Containment of all files in the destination directory, despite symlinks and replaced folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stac_asset import (
    Config,
    DownloadError,
    UnsafePathError,
    download_item,
    download_item_collection,
    plan_item_collection,
)
from stac_asset.clients import Clients
from stac_asset.destinations import LocalDestinations
from stac_asset.destinations.local.containment import ContainedDirectory
from stac_asset.destinations.part_names import part_paths
from stac_asset.errors import DestinationError
from stac_asset.testing import Origin, Truncate
from stac_asset.transfer.engine import Engine
from stac_asset.transfer.reporter import Reporter
from stac_asset.types import Candidate, Failed, Transfer
from tests.support.containment import Workspace, item_collection
from tests.support.items import item_from_origin, load_item


class TestSymlinks:
    """Symlinks that exist in the destination directory before a download."""

    @pytest.fixture(autouse=True)
    def _set_workspace(self, workspace: Workspace, origin: Origin) -> None:
        self.workspace, self.origin = workspace, origin
        self.item = item_from_origin(origin, "a")
        self.file = workspace.directory / "a.tif"

    def check_file(self) -> None:
        """Check that the asset was downloaded to a regular file."""
        assert not self.file.is_symlink()
        assert self.file.read_bytes() == self.origin.content("/a.tif")

    @pytest.mark.parametrize("target", ["outside", "missing/folder", "outside/a.tif"])
    @pytest.mark.parametrize("overwrite", [False, True])
    async def test_folder_that_leads_outside_is_refused(
        self, config: Config, target: str, overwrite: bool
    ) -> None:
        config.overwrite = overwrite
        directory = self.workspace.directory
        (directory / "the-item").symlink_to(self.workspace.outside.parent / target)
        items = item_collection(self.item, item_from_origin(self.origin, "a", name="good"))
        with pytest.raises(DownloadError) as caught:
            await download_item_collection(items, directory, config=config)
        (error,) = caught.value.exceptions
        assert isinstance(error, UnsafePathError | DestinationError)
        assert isinstance(error, UnsafePathError) or target == "outside/a.tif"
        assert "asset 'a' of item 'the-item'" in str(error)
        assert (directory / "good" / "a.tif").is_file()
        assert [request.path for request in self.origin.gets()] == ["/a.tif"]

    async def test_plan_reports_folder_that_leads_outside(self, config: Config) -> None:
        directory = self.workspace.directory
        (directory / "the-item").symlink_to(self.workspace.outside)
        plan = await plan_item_collection(item_collection(self.item), directory, config=config)
        (row,) = plan.rows
        assert row.action == "fail"
        assert "outside of the directory" in (row.note or "")

    async def test_folder_that_leads_inside_is_followed(self, config: Config) -> None:
        directory = self.workspace.directory
        (directory / "real").mkdir()
        (directory / "the-item").symlink_to("real")
        await download_item_collection(item_collection(self.item), directory, config=config)
        assert (directory / "real" / "a.tif").is_file()

    async def test_directory_may_be_symlink(self, config: Config) -> None:
        link = self.workspace.directory / "link"
        real = self.workspace.directory / "real"
        real.mkdir()
        link.symlink_to(real)
        new = await download_item(self.item, link, config=config)
        assert (real / "a.tif").read_bytes() == self.origin.content("/a.tif")
        assert new.self_href == str(link / "the-item.json")

    async def test_overwrite_replaces_symlink_to_outside_file(self, config: Config) -> None:
        self.file.symlink_to(self.workspace.outside / "a.tif")
        config.overwrite = True
        await download_item(self.item, self.workspace.directory, config=config)
        self.check_file()

    async def test_symlink_to_outside_file_of_other_size_is_replaced(self, config: Config) -> None:
        self.file.symlink_to(self.workspace.outside / "a.tif")
        self.item.assets["a"].extra_fields["file:size"] = len(self.origin.content("/a.tif"))
        await download_item(self.item, self.workspace.directory, config=config)
        self.check_file()

    async def test_dangling_symlink_is_replaced(self, config: Config) -> None:
        self.file.symlink_to(self.workspace.outside / "missing")
        await download_item(self.item, self.workspace.directory, config=config)
        self.check_file()

    async def test_document_replaces_symlink_to_outside_file(self, config: Config) -> None:
        document = self.workspace.directory / "the-item.json"
        document.symlink_to(self.workspace.outside / "a.tif")
        await download_item(self.item, self.workspace.directory, config=config)
        assert not document.is_symlink()
        written = load_item(document)
        assert written.id == "the-item"
        assert set(written.assets) == {"a"}

    async def test_part_file_that_leads_outside_is_refused(self, config: Config) -> None:
        part, _ = part_paths(self.file)
        part.symlink_to(self.workspace.outside / "a.tif")
        with pytest.raises(DownloadError, match="cannot write"):
            await download_item(self.item, self.workspace.directory, config=config)

    async def test_resume_note_that_leads_outside_is_not_followed(self, config: Config) -> None:
        self.origin.put("/a.tif", size=300_000)
        _, note = part_paths(self.file)
        note.symlink_to(self.workspace.outside / "a.tif")
        await download_item(self.item, self.workspace.directory, config=config)
        self.check_file()

    async def test_part_file_cleanup_does_not_follow_symlinks(self, config: Config) -> None:
        part, note = part_paths(self.file)
        part.symlink_to(self.workspace.outside / ".a.tif.part")
        note.symlink_to(self.workspace.outside / "a.tif")
        self.file.write_bytes(b"existing file")
        await download_item(self.item, self.workspace.directory, config=config)
        assert self.file.read_bytes() == b"existing file"


def test_folder_replaced_by_symlink_is_not_followed(tmp_path: Path) -> None:
    directory, outside = tmp_path / "in", tmp_path / "out"
    (directory / "item").mkdir(parents=True)
    outside.mkdir()
    contained = ContainedDirectory(directory)
    folder = contained.open_folder("item/a.tif")
    (directory / "item").rename(tmp_path / "moved")
    (directory / "item").symlink_to(outside)
    os.close(os.open("b.tif", os.O_CREAT | os.O_WRONLY, dir_fd=folder.fd))
    with pytest.raises(UnsafePathError, match="leads outside"):
        contained.check_still_there(folder)
    (directory / "item").unlink()
    (directory / "item").symlink_to(tmp_path / "moved")
    with pytest.raises(UnsafePathError, match="leads outside"):
        contained.check_still_there(folder)
    with pytest.raises(UnsafePathError, match="leads outside"):
        contained.open_folder("item/b.tif")
    (directory / "item").unlink()
    (directory / "item").mkdir()
    with pytest.raises(DestinationError, match="moved or replaced"):
        contained.check_still_there(folder)
    (directory / "item").rmdir()
    (directory / "item").symlink_to(outside)
    with pytest.raises(UnsafePathError):
        contained.open_folder("item/a.tif")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("replaced", ["item", "item/deep"])
async def test_folder_replaced_during_download_does_not_lead_outside(
    origin: Origin, tmp_path: Path, replaced: str
) -> None:
    directory, outside = tmp_path / "in", tmp_path / "out"
    (outside / "deep").mkdir(parents=True)
    href = origin.put("/a.tif", size=400_000)
    origin.fault("/a.tif", Truncate(after=200_000))
    path = directory / "item" / "deep" / "a.tif"
    transfer = Transfer("", "a", (Candidate(href, str(path)),), str(directory))

    class FolderReplacer(Reporter):
        """Replaces the folder by a symlink after the first write."""

        replacements = 0

        def wrote(self, candidate: Candidate, size: int) -> None:
            if not self.replacements:
                self.replacements += 1
                (directory / replaced).rename(tmp_path / "moved")
                (directory / replaced).symlink_to(outside, target_is_directory=True)

    config = Config(retry_wait=0.01)
    async with Clients(config) as clients:
        engine = Engine(clients, config, LocalDestinations())
        engine.reporter = FolderReplacer()
        outcome = await engine.download(transfer)
    assert isinstance(outcome, Failed)
    assert [path for path in outside.rglob("*") if path.is_file()] == []


def test_symlink_within_directory_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "relative").symlink_to("real")
    (tmp_path / "absolute").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "up").symlink_to("..")
    contained = ContainedDirectory(tmp_path)
    for key in ("relative/a", "absolute/a", "real/up/relative/a"):
        assert contained.open_folder(key).is_same(contained.open_folder("real/a")), key


def test_symlink_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        ContainedDirectory(tmp_path).open_folder("loop/a")


def test_folder_descriptors_are_closed(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    (tmp_path / "item").mkdir()
    contained = ContainedDirectory(tmp_path)
    for _ in range(50):
        contained.open_folder("item/a.tif")
        with pytest.raises(FileNotFoundError):
            contained.open_folder("missing/a.tif")
    del contained
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before
