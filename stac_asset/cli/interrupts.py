"""Handles Ctrl-C before a command runs.

Python's handler raises `KeyboardInterrupt`. During imports, some packages turn this exception into
an error of their own, with a long traceback.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

INTERRUPTED = 130
"""Exit code after Ctrl-C. Source: 128 plus the number of SIGINT, as in shells."""

MESSAGE = "Interrupted. Run the same command again to resume."


@contextmanager
def exit_on_interrupt() -> Iterator[None]:
    """Exit at once on Ctrl-C, until `clean_up_on_interrupt` is called or the context ends.

    Shells start background processes with SIGINT ignored. Such processes keep ignoring SIGINT.
    """
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not is_default or threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread can set handlers.
        return
    signal.signal(signal.SIGINT, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def clean_up_on_interrupt() -> None:
    """Raise `KeyboardInterrupt` on Ctrl-C, because files and connections are opened from now on.

    The event loop replaces only Python's own handler.
    """
    if signal.getsignal(signal.SIGINT) is _exit:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _exit(number: int, frame: FrameType | None) -> None:
    click.echo(f"\n{MESSAGE}", err=True)
    os._exit(INTERRUPTED)
