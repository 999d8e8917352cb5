"""A proxy that checks `If-Match` of `CompleteMultipartUpload`, which moto accepts without a check.

moto checks the other conditions, but not in one step with the change. The proxy forwards one
conditional request at a time.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import asyncio

from aiohttp import ClientSession, web
from yarl import URL

from stac_asset.testing import S3Proxy
from stac_asset.testing.s3_proxy import error_body


class ConditionalS3(S3Proxy):
    """A proxy in front of moto. The check of a condition and the change are one step."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint)
        self._alone = asyncio.Lock()

    async def _forward(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        expected = request.headers.get("If-Match")
        if expected is None and "If-None-Match" not in request.headers:
            return await super()._forward(request, body)
        async with self._alone:
            if request.method != "POST" or expected is None:
                return await super()._forward(request, body)
            url = URL(f"{self._endpoint}{request.raw_path.partition('?')[0]}", encoded=True)
            headers = {"Authorization": request.headers["Authorization"]}
            async with ClientSession(headers=headers) as session, session.head(url) as found:
                etag = found.headers.get("ETag")
            if etag is None:
                return web.Response(status=404, body=error_body("NoSuchKey"))
            if etag != expected:
                return web.Response(status=412, body=error_body("PreconditionFailed"))
            return await super()._forward(request, body)
