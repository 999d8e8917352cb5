"""What the tests of a downloader need: an origin that serves known bytes and misbehaves on request.

    from stac_asset.testing import Origin, Stall, Truncate

    with Origin() as origin:
        href = origin.put("/B04.tif", size=1_000_000)
        origin.fault("/B04.tif", Truncate(after=300_000))  # the first GET
        origin.fault("/B04.tif", Stall(after=0, seconds=60))  # the second
        download(href, "B04.tif")
        assert Path("B04.tif").read_bytes() == origin.content("/B04.tif")
        assert [request.range for request in origin.gets()][1] == "bytes=300000-"

`Origin` serves from a thread of the test's process. `OriginProcess` serves from a process of its
own, for measurements in which the two must not share an interpreter; `python -m stac_asset.testing`
is the same for the command line.
"""

from stac_asset.testing.content import content, content_iter, default_size
from stac_asset.testing.contract import ClientContract
from stac_asset.testing.faults import (
    TRANSIENT,
    Changed,
    Chunked,
    Delay,
    Fault,
    Gzip,
    IgnoreRange,
    LoginPage,
    NoHead,
    NoValidator,
    Redirect,
    Reset,
    Slow,
    Stall,
    Status,
    Truncate,
    WrongLength,
    WrongRange,
    WrongType,
)
from stac_asset.testing.origin import Origin
from stac_asset.testing.process import OriginProcess
from stac_asset.testing.received import Received

__all__ = [
    "TRANSIENT",
    "Changed",
    "Chunked",
    "ClientContract",
    "Delay",
    "Fault",
    "Gzip",
    "IgnoreRange",
    "LoginPage",
    "NoHead",
    "NoValidator",
    "Origin",
    "OriginProcess",
    "Received",
    "Redirect",
    "Reset",
    "Slow",
    "Stall",
    "Status",
    "Truncate",
    "WrongLength",
    "WrongRange",
    "WrongType",
    "content",
    "content_iter",
    "default_size",
]
