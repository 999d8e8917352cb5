"""S3 and IAM of moto, without what moto's own server repeats for each request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server


class _Services(DomainDispatcherApplication):
    """Passes each request to the application of its service.

    moto lists the folder of all its services to find the one of a request.
    """

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self._s3 = self.app_instances["s3"] = create_backend_app("s3")

    def get_application(self, environ: dict[str, Any]) -> Any:
        is_s3 = "/s3/aws4_request" in environ.get("HTTP_AUTHORIZATION", "")
        return self._s3 if is_s3 else super().get_application(environ)


class _QuietHandler(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Print no line. Prefect's handler would format the line, in as much time as an answer."""


@contextmanager
def moto_s3() -> Iterator[str]:
    """Serve S3 and IAM from memory, and yield the endpoint."""
    server = make_server("127.0.0.1", 0, _Services(), threaded=True, request_handler=_QuietHandler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
