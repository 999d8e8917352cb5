"""A fast S3 service for measurements: nginx receives the bodies, and this module does the rest.

    python -m bench.object_store PORT FOLDER

The servers of tests need more processor time for an object than the programs that are measured.
nginx stores objects and parts as files in memory. Requests to buckets, and requests that start,
complete or abort a multipart upload, go to this server. Signatures and checksums are not checked.
A completed upload keeps its parts as files, and `StoredWork` compares them.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from bench.measure import BenchError
from bench.work import Work

CONFIGURATION = r"""
        client_max_body_size 0;
        client_body_buffer_size 128k;
        dav_methods PUT DELETE;
        create_full_put_path on;
        etag on;
        location ~ ^/[^/]+/?$ { proxy_pass http://127.0.0.1:{control}; }
        location / {
            if ($request_method = POST) { proxy_pass http://127.0.0.1:{control}; }
            if ($http_x_amz_copy_source) { proxy_pass http://127.0.0.1:{control}; }
            set $condition $http_if_none_match;
            if (-f $request_filename) { set $condition "${condition}exists"; }
            if ($condition = "*exists") { return 412; }
            if ($arg_partNumber) {
                rewrite ^ /.parts/$arg_uploadId/$arg_partNumber break;
            }
            add_header ETag '"$request_length"';
        }
"""
"""Directives of nginx's server, with the port of this server as `{control}`."""

_PARTS = ".parts"
"""Folder of unfinished uploads, and end of the names of folders of completed uploads."""


@dataclass(frozen=True, slots=True)
class StoredWork(Work):
    """Files that are uploaded to the service."""

    def check(self, directory: Path) -> None:
        """Compare the stored objects with the originals, byte by byte.

        Args:
            directory: The folder of the prefix.

        Raises:
            BenchError: An object is missing or has other bytes.
        """
        for name in self.names:
            parts = directory / f"{name}{_PARTS}"
            paths = (
                sorted(parts.iterdir(), key=lambda path: int(path.name)) if parts.is_dir() else []
            )
            with (self.folder / name).open("rb") as original:
                for path in paths or [directory / name]:
                    size = path.stat().st_size if path.exists() else -1
                    if size < 0 or original.read(size) != path.read_bytes():
                        raise BenchError(f"{path} is missing or differs from the original")
                if original.read(1):
                    raise BenchError(f"{directory / name} is shorter than the original")


class _Handler(BaseHTTPRequestHandler):
    """The requests that nginx does not answer."""

    protocol_version = "HTTP/1.1"
    folder: Path

    def do_GET(self) -> None:
        """List a prefix."""
        path, fields = self._target()
        prefix, delimiter = fields.get("prefix", ""), fields.get("delimiter", "")
        found = "".join(
            f'<Contents><Key>{escape(key)}</Key><Size>{size}</Size><ETag>"{size}"</ETag>'
            "<LastModified>2026-06-01T00:00:00.000Z</LastModified></Contents>"
            for key, size in self._objects(path, prefix, delimiter)
        )
        self._send(
            f"<ListBucketResult><Name>{path}</Name><Prefix>{escape(prefix)}</Prefix>"
            f"<KeyCount>1</KeyCount><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"
        )

    def do_PUT(self) -> None:
        """Copy an object, or accept the creation of a bucket."""
        self._read()
        copied = self.headers.get("x-amz-copy-source")
        if copied is not None:
            source = self.folder / unquote(copied).partition("?")[0].lstrip("/")
            target = self.folder / self._target()[0]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            os.link(source, target)
            now = "2026-06-01T00:00:00.000Z"
            self._send(
                f'<CopyObjectResult><ETag>"copy"</ETag><LastModified>{now}</LastModified>'
                "</CopyObjectResult>"
            )
            return
        self._send("")

    def do_HEAD(self) -> None:
        """Report that a bucket exists."""
        self._send("")

    def do_POST(self) -> None:
        """Start or complete a multipart upload."""
        path, fields = self._target()
        body = self._read()
        upload = fields.get("uploadId")
        if upload is None:
            upload = uuid.uuid4().hex
            (self.folder / _PARTS / upload).mkdir(parents=True)
            self._send(
                "<InitiateMultipartUploadResult>"
                f"<UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            )
            return
        numbers = {int(number) for number in re.findall(rb"<PartNumber>(\d+)<", body)}
        source, target = self.folder / _PARTS / upload, self.folder / path
        stored = {int(part.name): part.stat().st_size for part in source.iterdir()}
        assert numbers == stored.keys(), "all parts are stored"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(f"{target}{_PARTS}", ignore_errors=True)
        source.rename(f"{target}{_PARTS}")
        with target.open("wb") as file:
            os.truncate(file.fileno(), sum(stored.values()))
        self._send(
            "<CompleteMultipartUploadResult>"
            f'<ETag>"{upload}"</ETag></CompleteMultipartUploadResult>'
        )

    def _objects(self, bucket: str, prefix: str, delimiter: str) -> Iterator[tuple[str, int]]:
        root = self.folder / bucket
        start = root / prefix.rpartition("/")[0]
        for folder, folders, names in os.walk(start):
            folders[:] = [] if delimiter else [one for one in folders if _PARTS not in one]
            for name in names:
                path = Path(folder, name)
                key = path.relative_to(root).as_posix()
                if key.startswith(prefix):
                    yield key, path.stat().st_size

    def _target(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        fields = parse_qs(parts.query, keep_blank_values=True)
        return unquote(parts.path).strip("/"), {name: value[0] for name, value in fields.items()}

    def _read(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send(self, text: str) -> None:
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Do not log requests."""


class _Server(ThreadingHTTPServer):
    """A server that accepts the connections of many requests at once.

    With the default of five, the kernel drops connections, and repeats them after a second.
    """

    request_queue_size = 128


def main() -> None:
    """Serve requests until the process ends."""
    _Handler.folder = Path(sys.argv[2])
    _Server(("127.0.0.1", int(sys.argv[1])), _Handler).serve_forever()


if __name__ == "__main__":
    main()
