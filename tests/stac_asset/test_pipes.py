"""Bytes that go from a socket through a pipe to a file."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stac_asset.pipes import Pipe, PipedBytes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Only Linux has `splice`.")

DATA = os.urandom(100_000)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Return a pipe with `DATA` from a socket."""
    pipe = Pipe()
    sender, receiver = socket.socketpair()
    with sender, receiver:
        receiver.setblocking(False)
        sender.sendall(DATA)
        while pipe.size < len(DATA):
            pipe.fill(receiver.fileno(), len(DATA) - pipe.size)
        yield pipe
    pipe.close()


@pytest.mark.parametrize("flags", [0, os.O_APPEND], ids=["splice", "without-splice"])
def test_bytes_move_to_a_file(pipe: Pipe, tmp_path: Path, flags: int) -> None:
    """The kernel does not splice into a file that is open for appending."""
    fd = os.open(tmp_path / "a.bin", os.O_CREAT | os.O_RDWR | flags)
    try:
        PipedBytes(pipe, 60_000).move_to(fd, 0)
        PipedBytes(pipe, 40_000).move_to(fd, 60_000)
    finally:
        os.close(fd)
    assert (tmp_path / "a.bin").read_bytes() == DATA
    assert not pipe.size


def test_slices_are_the_start_and_the_rest(pipe: Pipe) -> None:
    chunk = PipedBytes(pipe, len(DATA))
    start = chunk[:10]
    assert bytes(start) == DATA[:10]
    rest = chunk[len(start) :]
    assert len(rest) == len(DATA) - 10
    assert bytes(rest) == DATA[10:]


def test_only_an_empty_pipe_is_used_again(pipe: Pipe) -> None:
    pipe.release()
    assert Pipe.free() is not pipe
    empty = Pipe()
    empty.release()
    assert Pipe.free() is empty
    empty.close()


def test_socket_without_bytes_does_not_block() -> None:
    sender, receiver = socket.socketpair()
    pipe = Pipe()
    with sender, receiver:
        receiver.setblocking(False)
        with pytest.raises(BlockingIOError):
            pipe.fill(receiver.fileno(), 10)
        sender.close()
        assert pipe.fill(receiver.fileno(), 10) == 0
    pipe.close()


def test_forked_process_does_not_use_the_pipes_of_its_parent() -> None:
    kept = Pipe()
    kept.release()
    child = os.fork()
    if not child:
        os._exit(Pipe.free() is kept)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert Pipe.free() is kept
    kept.close()


def test_failed_write_raises(pipe: Pipe, tmp_path: Path) -> None:
    (tmp_path / "a.bin").touch()
    fd = os.open(tmp_path / "a.bin", os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="Bad file descriptor"):
            PipedBytes(pipe, 10).move_to(fd, 0)
    finally:
        os.close(fd)
