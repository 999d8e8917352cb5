"""Internal: receives large response bodies into pipes, without copying the bytes.

`PipedBody` reads from a copy of the socket's descriptor, while the transport of the event loop is
paused. There are two pipes: one is filled while the caller empties the other.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from stac_asset.clients.http.body import DirectBody
from stac_asset.pipes import IS_SUPPORTED, Pipe, PipedBytes


class PipedBody(DirectBody):
    """The rest of a body, received into pipes.

    The caller must move all bytes of a chunk before it requests the next chunk. Bodies over TLS
    arrive in buffers, because their bytes must be decrypted in memory. So do bodies for which no
    pipe can be opened.
    """

    _socket: socket.socket | None = None
    """The copy of the socket, while bytes can arrive in pipes."""

    _pipes: tuple[Pipe, Pipe] | None = None
    """The pipe that is being filled, and the other pipe."""

    def _receive(self) -> None:
        if IS_SUPPORTED and self._transport.get_extra_info("ssl_object") is None:
            with suppress(OSError):  # Too many files are open.
                self._open()
        if self._socket is None:
            super()._receive()
            return
        self._transport.set_protocol(self)
        self._watch()

    def _open(self) -> None:
        found = self._transport.get_extra_info("socket")
        pipes = Pipe.free(), Pipe.free()
        self._socket = socket.fromfd(found.fileno(), found.family, found.type)
        self._pipes, self._loop = pipes, asyncio.get_running_loop()

    def _watch(self) -> None:
        """Receive bytes when they arrive."""
        if self._socket is not None:
            self._loop.add_reader(self._socket.fileno(), self._fill)

    def _close(self) -> None:
        """Close the copy of the socket."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _fill(self) -> None:
        """Move the bytes that have arrived into a pipe."""
        assert self._socket is not None, "the socket is watched"
        assert self._pipes is not None, "bytes arrive in pipes"
        try:
            moved = self._pipes[0].fill(self._socket.fileno(), self._missing)
        except BlockingIOError:
            if self._filled:  # The pipe is full.
                self._is_paused = True
                self._loop.remove_reader(self._socket.fileno())
            return
        except OSError:  # The transport reports the end of the connection.
            moved = 0
        self._filled += moved
        self._missing -= moved
        if not self._missing:
            is_reusable = _is_idle(self._socket)
            self._close()
            self._give_back(is_reusable)
            self._resume()
        elif not moved:
            self._close()
            self._filling = memoryview(bytearray(1))
            self._resume()
        self._wake()

    def _resume(self) -> None:
        """Let the transport receive the next bytes, or the end of the connection."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _take(self) -> memoryview | PipedBytes:
        if self._pipes is None:
            return super()._take()
        full, empty = self._pipes
        assert not empty.size, "the caller has moved all bytes of the chunk before"
        self._pipes = empty, full
        taken = PipedBytes(full, self._filled)
        self._filled = 0
        if self._is_paused:
            self._is_paused = False
            self._watch()
        return taken

    def _release(self) -> None:
        self._close()
        super()._release()
        pipes, self._pipes = self._pipes, None
        for pipe in pipes or ():
            pipe.release()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the connection.

        Args:
            exc: The reason, or None if the connection was closed.
        """
        self._close()
        super().connection_lost(exc)


def _is_idle(connection: socket.socket) -> bool:
    """Return whether a connection is open and no bytes wait to be received."""
    try:
        connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
