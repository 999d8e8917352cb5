"""The HTTP client for requests to Prefect servers."""

from __future__ import annotations

import httpx

CLIENT = httpx.Client(timeout=300, limits=httpx.Limits(max_keepalive_connections=0))
"""Client of all tests. Creating a client takes 20 ms, because it loads the CA certificates.

Connections are not kept, because tests restart servers.
"""
