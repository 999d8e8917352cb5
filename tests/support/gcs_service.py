"""A service with the XML API of Google Cloud Storage, in memory.

obstore writes through the XML API. The emulators of the package registries (`fake-gcs-server` and
`gcp-storage-emulator`) serve uploads through the JSON API only. So this service stands in for
Google Cloud Storage, as far as its documentation describes the requests of obstore:
https://cloud.google.com/storage/docs/xml-api/reference-methods
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from aiohttp import web
from multidict import CIMultiDict

from tests.support.loopback import serve_handler

TOKEN = "gcs-test-token"
_META = "x-goog-meta-"
_MIN_PART = 5 * 1024 * 1024


@dataclass
class GcsObject:
    """A stored object."""

    data: bytes
    generation: int
    metadata: dict[str, str]
    content_type: str
    etag: str

    def headers(self) -> CIMultiDict[str]:
        return CIMultiDict(
            {
                "ETag": self.etag,
                "Last-Modified": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"),
                "Content-Type": self.content_type,
                "Accept-Ranges": "bytes",
                "x-goog-generation": str(self.generation),
                **self.metadata,
            }
        )


@dataclass
class GcsUpload:
    """An unfinished multipart upload."""

    key: str
    metadata: dict[str, str]
    content_type: str
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass
class GcsService:
    """The buckets of the service.

    Attributes:
        buckets: The objects of each bucket by key.
        uploads: The unfinished multipart uploads by id.
        readers: Tokens that can read, but not write.
        accounts: Email addresses of service accounts that can read and write.
        requests: Method and path with query of each request.
        tokens: The `Authorization` header of each request, if any.
        encodings: The `Accept-Encoding` header of each request, if any.
        before: Called with method and key before a request. A returned response is sent.
        held: Requests of these methods get no response.
        lost: Kinds of requests, such as `PUT object` and `POST parts`, whose next response is
            replaced by an error, after the work was done.
    """

    buckets: dict[str, dict[str, GcsObject]] = field(default_factory=lambda: {"bucket": {}})
    public: set[str] = field(default_factory=set)
    uploads: dict[str, GcsUpload] = field(default_factory=dict)
    readers: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    requests: list[tuple[str, str]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    encodings: list[str | None] = field(default_factory=list)
    before: Callable[[str, str], web.Response | None] = lambda method, key: None
    held: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    port: int = 0
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1700000000000001))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def objects(self) -> dict[str, GcsObject]:
        """The objects of the bucket `bucket`."""
        return self.buckets["bucket"]

    def put(
        self,
        key: str,
        data: bytes,
        metadata: dict[str, str] | None = None,
        kind: str = "application/octet-stream",
    ) -> GcsObject:
        """Store an object, as another program would."""
        # Objects of multipart uploads have no MD5 as their ETag. The generation is always new.
        generation = next(self.numbers)
        etag = f'"{hashlib.md5(data).hexdigest()}"'
        stored = self.objects[key] = GcsObject(data, generation, metadata or {}, kind, etag)
        return stored

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs))
        self.tokens.append(request.headers.get("Authorization"))
        self.encodings.append(request.headers.get("Accept-Encoding"))
        _, name, *rest = request.url.path.split("/", 2)
        key = rest[0] if rest else ""
        if request.method in self.held:
            await asyncio.Event().wait()
        fault = self.before(request.method, key)
        if fault is not None:
            await request.content.read()
            return fault
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        is_read = request.method in ("GET", "HEAD")
        is_writer = token == TOKEN or _issuer_of(token) in self.accounts
        if not is_writer and not (is_read and (name in self.public or token in self.readers)):
            return _error(403, "AccessDenied") if token else _error(401, "AuthenticationRequired")
        if name not in self.buckets:
            return _error(404, "NoSuchBucket")
        if not key:
            return self._list(name, request)
        handle = getattr(self, f"_{request.method.lower()}")
        answered: web.StreamResponse = await handle(self.buckets[name], key, request)
        kind = f"{request.method} {'parts' if 'uploadId' in request.query else 'object'}"
        if kind in self.lost:
            self.lost.remove(kind)
            return _error(503, "ServiceUnavailable")
        return answered

    def _list(self, name: str, request: web.BaseRequest) -> web.Response:
        prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter")
        after = request.query.get("continuation-token") or request.query.get("start-after") or ""
        limit = int(request.query.get("max-keys", 3))  # Small pages, to test the next page.
        found, folders, more = [], set(), ""
        for key in sorted(self.buckets[name]):
            if not key.startswith(prefix) or key <= after:
                continue
            if len(found) == limit:
                more = f"<NextContinuationToken>{escape(found[-1])}</NextContinuationToken>"
                break
            below = key[len(prefix) :]
            if delimiter and delimiter in below:
                folders.add(prefix + below.partition(delimiter)[0] + delimiter)
            else:
                found.append(key)
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Generation>{one.generation}</Generation>"
            f"<LastModified>2026-06-01T00:00:00.000Z</LastModified>"
            f"<ETag>{escape(one.etag)}</ETag><Size>{len(one.data)}</Size></Contents>"
            for key in found
            for one in [self.buckets[name][key]]
        )
        common = "".join(
            f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in folders
        )
        return web.Response(
            text=f"<ListBucketResult><Name>{name}</Name><KeyCount>{len(found)}</KeyCount>{contents}"
            f"{common}{more}</ListBucketResult>",
            content_type="application/xml",
        )

    async def _head(
        self, objects: dict[str, GcsObject], key: str, request: web.BaseRequest
    ) -> web.Response:
        found = objects.get(key)
        if found is None:
            return web.Response(status=404)
        headers = found.headers()
        headers["Content-Length"] = str(len(found.data))  # aiohttp omits the length 0.
        return web.Response(body=found.data, headers=headers)

    async def _get(
        self, objects: dict[str, GcsObject], key: str, request: web.BaseRequest
    ) -> web.Response:
        found = objects.get(key)
        if found is None:
            return _error(404, "NoSuchKey")
        if request.headers.get("If-Match", found.etag) != found.etag:
            return _error(412, "PreconditionFailed")
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        if span is None:
            return web.Response(body=found.data, headers=found.headers())
        first, size = int(span[1]), len(found.data)
        end = min(int(span[2]) + 1 if span[2] else size, size)
        if first >= size:
            return _error(416, "InvalidRange")
        headers = found.headers()
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
        return web.Response(status=206, body=found.data[first:end], headers=headers)

    async def _put(
        self, objects: dict[str, GcsObject], key: str, request: web.BaseRequest
    ) -> web.Response:
        data = await request.content.read()
        if "uploadId" in request.query:
            upload = self.uploads.get(request.query["uploadId"])
            if upload is None:
                return _error(404, "NoSuchUpload")
            upload.parts[int(request.query["partNumber"])] = data
            return web.Response(headers={"ETag": f'"{hashlib.md5(data).hexdigest()}"'})
        expected = request.headers.get("x-goog-if-generation-match")
        current = objects[key].generation if key in objects else 0
        if expected is not None and int(expected) != current:
            return _error(412, "PreconditionFailed")
        stored = self.put(key, data, _metadata(request), request.content_type)
        return web.Response(headers=stored.headers())

    async def _post(
        self, objects: dict[str, GcsObject], key: str, request: web.BaseRequest
    ) -> web.Response:
        body = (await request.content.read()).decode()
        if "uploads" in request.query:
            identity = f"upload-{next(self.numbers)}"
            self.uploads[identity] = GcsUpload(key, _metadata(request), request.content_type)
            text = (
                "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key>"
                f"<UploadId>{identity}</UploadId></InitiateMultipartUploadResult>"
            )
            return web.Response(text=text, content_type="application/xml")
        upload = self.uploads.pop(request.query["uploadId"], None)
        if upload is None:
            return _error(404, "NoSuchUpload")
        parts = [upload.parts[int(one)] for one in re.findall(r"<PartNumber>(\d+)<", body)]
        if any(len(part) < _MIN_PART for part in parts[:-1]):
            return _error(400, "EntityTooSmall")
        stored = self.put(key, b"".join(parts), upload.metadata, upload.content_type)
        text = (
            "<CompleteMultipartUploadResult><Location>l</Location><Bucket>b</Bucket><Key>k</Key>"
            f"<ETag>{escape(stored.etag)}</ETag></CompleteMultipartUploadResult>"
        )
        headers = {"x-goog-generation": str(stored.generation)}
        return web.Response(text=text, content_type="application/xml", headers=headers)

    async def _delete(
        self, objects: dict[str, GcsObject], key: str, request: web.BaseRequest
    ) -> web.Response:
        if "uploadId" in request.query:
            self.uploads.pop(request.query["uploadId"], None)
        elif objects.pop(key, None) is None:
            return _error(404, "NoSuchKey")
        return web.Response(status=204)


def _issuer_of(token: str) -> str | None:
    """Return the service account that signed a token. The signature is not checked.

    Source: https://developers.google.com/identity/protocols/oauth2/service-account
    """
    if token.count(".") != 2:
        return None
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    issuer: str = claims["iss"]
    return issuer


def _metadata(request: web.BaseRequest) -> dict[str, str]:
    headers = request.headers.items()
    return {name.lower(): value for name, value in headers if name.lower().startswith(_META)}


def _error(status: int, code: str) -> web.Response:
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>m</Message></Error>"
    return web.Response(status=status, text=text, content_type="application/xml")


@asynccontextmanager
async def gcs_service() -> AsyncIterator[GcsService]:
    """Serve an empty bucket named `bucket`."""
    service = GcsService()
    async with serve_handler(service.answer) as service.port:
        yield service
