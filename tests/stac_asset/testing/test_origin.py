"""Start and end of an origin, and the arguments of the constructor."""

from __future__ import annotations

import threading
import time

import pytest

from stac_asset.testing import (
    Changed,
    Delay,
    Origin,
    Redirect,
    Reset,
    Slow,
    Stall,
    Status,
    Truncate,
    content,
)
from tests.support.http_requests import open_get, send_request
from tests.support.processes import block_until


def test_close_ends_thread_and_requests() -> None:
    with Origin(latency=0.0) as origin:
        origin.fault("*", Stall(100), times=0)
        with open_get(origin, "/a") as connection:
            connection.recv(10)
            origin.fault("/b", Delay(3600))
            with open_get(origin, "/b"):
                block_until(lambda: origin.in_flight == 2)
                began = time.monotonic()
                origin.close()
    assert time.monotonic() - began < 60
    assert not [thread for thread in threading.enumerate() if thread.name == "stac-asset-origin"]
    assert origin.in_flight == 0
    assert len(origin.requests) == 2
    with pytest.raises(ConnectionRefusedError):
        send_request(origin.href("/a"))


def test_origin_can_be_entered_once() -> None:
    origin = Origin()
    origin.close()
    with pytest.raises(RuntimeError, match="not serving"):
        _ = origin.url
    with origin:
        pass
    with pytest.raises(RuntimeError, match="once"), origin:
        pass


def test_port_in_use_raises_os_error(origin: Origin) -> None:
    with pytest.raises(OSError, match="address already in use"), Origin(port=origin.port):
        pass


def test_invalid_arguments_raise_value_error() -> None:
    for create in (
        lambda: Origin(fault_rate=2),
        lambda: Origin(bytes_per_second=0),
        lambda: Origin(fault_rate=0.5, fault_kinds=()),
        lambda: Truncate(-1),
        lambda: Reset(-2),
        lambda: Stall(0, -1),
        lambda: Delay(-1),
        lambda: Slow(0),
        lambda: Status(99),
        lambda: Redirect("/b", 200),
        lambda: Origin().fault("/a"),
        lambda: Origin().fault("/a", Changed(), times=-1),
    ):
        with pytest.raises(ValueError, match=r".+"):
            create()


def test_latency_and_rate_of_origin_delay_response() -> None:
    with Origin(latency=0.1, bytes_per_second=100_000) as origin:
        began = time.monotonic()
        assert send_request(origin.href("/a?size=20000")).body == content("/a", 20_000)
        assert time.monotonic() - began > 0.25
