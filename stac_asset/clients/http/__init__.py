"""HTTP client, and the sessions, credentials and tokens that all clients over HTTP share."""

from stac_asset.clients.http.client import HttpClient

__all__ = ["HttpClient"]
