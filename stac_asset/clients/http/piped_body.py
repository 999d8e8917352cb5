"""Internal: receives large response bodies into pipes, without copying the bytes.

The transport receives a few bytes when bytes arrive, and reports the end of the connection.
`PipedBody` then moves all other bytes from the socket into the pipe.
"""

from __future__ import annotations

import socket
from contextlib import suppress

from stac_asset.clients.http.body import DirectBody
from stac_asset.pipes import IS_SUPPORTED, Pipe, PipedBytes

_HEAD_SIZE = 64
"""Number of bytes that the transport receives before the others are moved."""


class PipedBody(DirectBody):
    """The rest of a body, received into a pipe.

    The caller must move all bytes of a chunk before it requests the next chunk. Bodies over TLS
    arrive in buffers, because their bytes must be decrypted in memory. So do bodies for which no
    pipe can be opened.
    """

    _pipe: Pipe | None = None
    """The pipe, unless the body arrives in buffers."""

    def _receive(self) -> None:
        if IS_SUPPORTED and self._transport.get_extra_info("ssl_object") is None:
            with suppress(OSError):  # Too many files are open, or a sandbox forbids `splice`.
                self._pipe = Pipe.free()
        if self._pipe is None:
            super()._receive()
            return
        self._filling = memoryview(bytearray(_HEAD_SIZE))
        self._socket = self._transport.get_extra_info("socket")
        self._transport.set_protocol(self)
        self._transport.resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the memory for the next bytes.

        Args:
            sizehint: Ignored.
        """
        if self._pipe is None:
            return super().get_buffer(sizehint)
        return self._filling[: self._missing]

    def buffer_updated(self, nbytes: int) -> None:
        """Move bytes that have arrived into the pipe.

        Args:
            nbytes: Number of bytes in the memory that `get_buffer` returned.
        """
        if self._pipe is None:
            super().buffer_updated(nbytes)
            return
        self._pipe.write(self._filling[:nbytes])
        moved = nbytes
        if nbytes < self._missing:
            # The transport reports errors with its next bytes.
            with suppress(OSError):
                moved += self._pipe.fill(self._socket.fileno(), self._missing - nbytes)
        self._filled += moved
        self._missing -= moved
        if not self._missing:
            self._give_back(_is_idle(self._socket))
        else:
            # The rest waits in the socket until the caller has moved the bytes.
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def _continue(self) -> None:
        if self._is_paused and self._pipe is not None:
            self._is_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def _take(self) -> memoryview | PipedBytes:
        if self._pipe is None:
            return super()._take()
        assert self._pipe.size == self._filled, "the caller has moved the chunk before"
        taken = PipedBytes(self._pipe, self._filled)
        self._filled = 0
        return taken

    def _release(self) -> None:
        if self._pipe is None:
            super()._release()
            return
        if self._missing and not self._transport.is_closing():
            self._transport.pause_reading()
        pipe, self._pipe = self._pipe, None
        pipe.release()


def _is_idle(connection: socket.socket) -> bool:
    """Return whether a connection is open and no bytes wait to be received."""
    with socket.fromfd(connection.fileno(), connection.family, connection.type) as copied:
        try:
            copied.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
    return False
