"""Internal: received bytes in pipes of Linux, which go to a file without a copy in the process.

`splice` moves bytes from a socket into a pipe without copying them, and from the pipe into a file
with one copy. Received into memory and written from there, bytes are copied twice.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import TypeAlias

_CAPACITY = 1024 * 1024
"""Maximum number of bytes in a pipe. Linux refuses larger pipes by default."""

_MAX_FREE = 16
"""Maximum number of empty pipes that are kept for later bodies."""

_F_SETPIPE_SZ = 1031
"""Command of `fcntl` that sets the capacity of a pipe."""

IS_SUPPORTED = sys.platform == "linux" and hasattr(os, "splice")
"""Whether this system moves bytes between sockets, pipes and files."""


class Pipe:
    """A pipe between a socket and a file. `Pipe.free` returns a pipe.

    Raises:
        OSError: The process has too many files open, the user too much memory in pipes, or a
            sandbox does not permit `splice`.
    """

    size = 0
    """Number of bytes in the pipe."""

    def __init__(self) -> None:
        self._output, self._input = os.pipe2(os.O_CLOEXEC)
        import fcntl  # Not part of Python on all systems.

        fcntl.fcntl(self._input, _F_SETPIPE_SZ, _CAPACITY)
        self._check_permitted()

    def _check_permitted(self) -> None:
        try:
            os.splice(self._output, self._input, 1)
        except OSError as error:
            # Linux does not splice a pipe into itself. A sandbox refuses every call.
            if error.errno != errno.EINVAL:
                raise

    @classmethod
    def free(cls) -> Pipe:
        """Return an empty pipe, an earlier one if possible."""
        try:
            return _free.pop()
        except IndexError:
            return cls()

    def release(self) -> None:
        """Keep the pipe for a later body, or close the pipe if it contains bytes."""
        if not self.size and len(_free) < _MAX_FREE:
            _free.append(self)
        else:
            self.close()

    def close(self) -> None:
        """Close the pipe. Further calls have no effect."""
        opened, self._output, self._input = (self._output, self._input), -1, -1
        for fd in opened:
            if fd >= 0:
                os.close(fd)

    def __del__(self) -> None:
        with suppress(AttributeError):  # The pipe was not created.
            self.close()

    def write(self, data: memoryview) -> None:
        """Write a few bytes into the empty pipe.

        Args:
            data: The bytes.
        """
        self.size += os.write(self._input, data)

    def fill(self, socket: int, most: int) -> int:
        """Move bytes from a socket into the pipe.

        Args:
            socket: The descriptor of a socket that does not block.
            most: Maximum number of bytes.

        Returns:
            The number of bytes. 0 means that the sender sends no further bytes.

        Raises:
            BlockingIOError: No bytes have arrived, or the pipe is full.
            OSError: The connection is broken.
        """
        moved = os.splice(socket, self._input, most, flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK)
        self.size += moved
        return moved

    def move_to(self, fd: int, position: int, size: int) -> None:
        """Move bytes to a position of a file.

        Args:
            fd: The descriptor of the file.
            position: The position of the first byte.
            size: Number of bytes, not more than the pipe contains.

        Raises:
            OSError: The bytes cannot be written.
        """
        while size:
            try:
                moved = os.splice(self._output, fd, size, offset_dst=position)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                self._copy_to(fd, position, size)  # Not all file systems support `splice`.
                return
            self.size -= moved
            position += moved
            size -= moved

    def _copy_to(self, fd: int, position: int, size: int) -> None:
        data = memoryview(self.read(size))
        while data:
            written = os.pwrite(fd, data, position)
            position += written
            data = data[written:]

    def read(self, size: int) -> bytes:
        """Return bytes, and remove them from the pipe.

        Args:
            size: Number of bytes, not more than the pipe contains.
        """
        read: list[bytes] = []
        while size:
            read.append(os.read(self._output, size))
            self.size -= len(read[-1])
            size -= len(read[-1])
        return b"".join(read)


class PipedBytes:
    """The first bytes of a pipe, for a single use: the bytes leave the pipe.

    A slice from 0 on is the start of these bytes. Another slice is the rest, after the start has
    left the pipe.

    Args:
        pipe: The pipe.
        size: Number of bytes.
    """

    __slots__ = ("_pipe", "_size")

    def __init__(self, pipe: Pipe, size: int) -> None:
        self._pipe, self._size = pipe, size

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return self._pipe.read(self._size)

    def __getitem__(self, part: slice) -> PipedBytes:
        return PipedBytes(self._pipe, len(range(*part.indices(self._size))))

    def move_to(self, fd: int, position: int) -> None:
        """Move the bytes to a position of a file.

        Args:
            fd: The descriptor of the file.
            position: The position of the first byte.

        Raises:
            OSError: The bytes cannot be written.
        """
        self._pipe.move_to(fd, position, self._size)


Chunk: TypeAlias = bytes | memoryview | PipedBytes
"""Received bytes of a file, for writing."""

_free: list[Pipe] = []
"""Empty pipes of finished bodies."""


def _forget_pipes() -> None:
    """Close the free pipes, which a forked process shares with its parent."""
    _free.clear()


os.register_at_fork(after_in_child=_forget_pipes)
