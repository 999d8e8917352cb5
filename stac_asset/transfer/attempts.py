"""Downloads a candidate into an open upload, with retries. The engine calls this."""

from __future__ import annotations

from stac_asset.destinations.store_copy import CopyTarget
from stac_asset.errors import (
    AccessError,
    ChecksumError,
    ContentError,
    DestinationError,
    LoginPageError,
    RangeError,
    RateLimitError,
    SizeError,
)
from stac_asset.notices import notice
from stac_asset.redact import redact_href
from stac_asset.transfer.content import HEAD_SIZE, START_SIZE, may_be_text, without_encoding
from stac_asset.transfer.content_check import content_error, empty_error, note_compression
from stac_asset.transfer.receiving import Receiver
from stac_asset.transfer.retry import is_transient, retry, retry_reason
from stac_asset.types import Downloaded

_MAX_DOUBTFUL_ATTEMPTS = 3
"""Maximum number of attempts if the source may have sent too few bytes without an error."""


class CandidateDownload:
    """The download of a candidate into an open upload.

    Args:
        receiver: Receives the bytes of the candidate.
    """

    __slots__ = (
        "_candidate",
        "_context",
        "_is_retried",
        "_received_before",
        "_receiver",
        "_retry_reason",
        "_stats",
        "_transfer",
        "_upload",
    )

    def __init__(self, receiver: Receiver) -> None:
        self._receiver, self._upload = receiver, receiver.upload
        self._transfer, self._candidate = receiver.transfer, receiver.candidate
        self._context, self._stats = receiver.context, receiver.stats
        self._received_before = self._stats.received
        """Number of bytes received from earlier candidates."""
        self._is_retried = False
        """Whether another attempt may succeed after the last error."""
        self._retry_reason: str | None = None
        """Why the next attempt is made, if an attempt has failed."""

    async def run(self) -> Downloaded:
        """Download, verify and commit the file, with retries.

        If the download fails, the received bytes are kept for a later run if they can be resumed.
        With `Config.clean`, they are removed after a permanent error. Exceptions are an access
        error, because the next run may have another signature, a rate limit, and a failure of the
        destination after which an upload can be continued.

        Raises:
            StacAssetError: The file could not be downloaded.
        """
        try:
            target = self._upload.copy_target
            copied = None if target is None else await self._copied(target)
            if copied is not None:
                return copied
            checksum = await retry(self._attempt, self._context.config, self._is_retryable)
        except Exception as error:
            if self._context.config.clean and not (self._is_retried or _may_be_resumed(error)):
                await self._upload.discard()
            raise
        return Downloaded(
            transfer=self._transfer,
            candidate=self._candidate,
            size=self._upload.offset,
            received=self._stats.received,
            seconds=self._stats.seconds,
            attempts=self._stats.attempts,
            checksum=checksum,
        )

    async def _copied(self, target: CopyTarget) -> Downloaded | None:
        """Let the store of the destination copy the file, if the source is in the same store."""
        source = await self._receiver.client.stored_source(self._receiver.request(), target)
        if source is None:
            return None
        await self._context.reporter.opened(self._candidate, source.size)
        copied = await self._upload.copy(source)
        if copied is None:
            return None
        self._stats.attempts += 1
        return Downloaded(
            transfer=self._transfer,
            candidate=self._candidate,
            size=copied.size,
            received=0,
            seconds=self._stats.seconds,
            attempts=self._stats.attempts,
            checksum=str(copied.checksum) if copied.checksum is not None else None,
        )

    def _is_retryable(self, error: Exception) -> bool:
        self._is_retried = is_transient(error) or self._switches_to_single_connection(error)
        self._retry_reason = retry_reason(error)
        return self._is_retried

    def _switches_to_single_connection(self, error: Exception) -> bool:
        """Switch to a single connection if several connections may have caused an error.

        Returns:
            Whether the next attempt uses a single connection for this reason.
        """
        has_answered = self._stats.received > self._received_before
        if self._upload.missing is None or self._receiver.connections() == 1 or not has_answered:
            return False
        if isinstance(error, DestinationError | ChecksumError | SizeError | ContentError):
            return False
        self._receiver.single_connection = True
        return True

    async def _attempt(self) -> str | None:
        """Make an attempt. Repeat the attempt after a refusal by a limit of the host."""
        connection = self._receiver.connection
        if connection is None:
            return await self._attempt_once()
        while True:
            received = self._stats.received
            await connection.begin_request()
            try:
                return await self._attempt_once()
            except Exception as error:
                if self._stats.received > received:
                    connection.give_way(self._upload)
                    raise
                if not await connection.waits_after(error, self._upload):
                    raise
                self._retry_reason = retry_reason(error)
            finally:
                connection.end_request()

    async def _attempt_once(self) -> str | None:
        self._stats.attempts += 1
        if self._retry_reason is not None:
            self._context.reporter.retried(self._candidate, self._retry_reason)
        resumed, has_ended = self._upload.offset, False
        try:
            await self._receiver.receive_all()
            has_ended = True
            await self._check_content()
            checksum = await self._upload.commit()
        except RangeError:
            self._receiver.single_connection = True
            await self._upload.restart()
            raise
        except (ChecksumError, SizeError) as error:
            # The resumed bytes may be wrong, so one attempt from the start is allowed. Without an
            # announced length, the end of the connection may have cut the response off.
            may_be_cut = self._receiver.is_unsized and has_ended
            error.transient = resumed > 0 or (may_be_cut and self._may_repeat())
            await self._upload.restart()
            raise
        except (ContentError, LoginPageError):
            await self._upload.restart()
            raise
        if self._receiver.ends_with_connection:
            self._note_unchecked_end()
        return checksum

    def _note_unchecked_end(self) -> None:
        transfer = self._transfer
        if transfer.size is None and transfer.checksum is None:
            notice(
                "The server announces no length and closes the connection after the file, and the "
                "item declares neither size nor checksum, so an incomplete file is not detected",
                redact_href(self._candidate.href),
            )

    def _may_repeat(self) -> bool:
        """Return whether another attempt is allowed after a response that is not certainly bad."""
        return self._stats.attempts < _MAX_DOUBTFUL_ATTEMPTS

    async def _check_content(self) -> None:
        """Check that the received bytes can be the asset.

        Raises:
            ContentError: The source sent an empty file, or other content than the asset declares.
            LoginPageError: The source sent a login page.
        """
        transfer, candidate, config = self._transfer, self._candidate, self._context.config
        if not self._upload.offset:
            empty = empty_error(transfer, candidate, config)
            if empty is not None:
                empty.transient = self._may_repeat()
                raise empty
            return
        if self._receiver.encoding is None:
            head = await self._upload.head(START_SIZE)
            if not may_be_text(head):
                return
        head = await self._upload.head(HEAD_SIZE)
        if self._receiver.encoding is not None:
            note_compression(transfer, candidate, head, self._receiver.encoding[0])
            head = without_encoding(head, *self._receiver.encoding)
        error = content_error(transfer, candidate, head, config, self._receiver.answered_by)
        if error is not None:
            raise error


def _may_be_resumed(error: Exception) -> bool:
    """Return whether a later run may continue the received bytes after a permanent error."""
    is_refusal = isinstance(error, AccessError | RateLimitError)
    return is_refusal or (isinstance(error, DestinationError) and error.resumable)
