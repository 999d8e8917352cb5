"""Test tools for downloaders: an HTTP origin that injects faults, and contract suites.

    from stac_asset.testing import Origin, Stall, Truncate

    with Origin() as origin:
        href = origin.put("/B04.tif", size=1_000_000)
        origin.fault("/B04.tif", Truncate(after=300_000))  # applies to the first GET
        origin.fault("/B04.tif", Stall(after=0, seconds=60))  # applies to the second GET
        download(href, "B04.tif")
        assert Path("B04.tif").read_bytes() == origin.content("/B04.tif")
        assert [request.range for request in origin.gets()][1] == "bytes=300000-"

`Origin` serves from a thread of the test process. `OriginProcess` serves from a separate process,
for measurements in which client and server must not share an interpreter. The command
`python -m stac_asset.testing` starts the same server from a shell.

`S3Proxy` injects faults between a client and an S3 service.

`ClientContract` and `DestinationContract` are base classes for the tests of clients and
destinations.
"""

from stac_asset.testing.client_contract import ClientContract
from stac_asset.testing.content import content, content_iter, default_size
from stac_asset.testing.destination_contract import DestinationContract
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
from stac_asset.testing.s3_proxy import SLOW_DOWN, Lost, S3Proxy, S3Request

__all__ = [
    "SLOW_DOWN",
    "TRANSIENT",
    "Changed",
    "Chunked",
    "ClientContract",
    "Delay",
    "DestinationContract",
    "Fault",
    "Gzip",
    "IgnoreRange",
    "LoginPage",
    "Lost",
    "NoHead",
    "NoValidator",
    "Origin",
    "OriginProcess",
    "Received",
    "Redirect",
    "Reset",
    "S3Proxy",
    "S3Request",
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
