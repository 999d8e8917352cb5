"""The HTTP client, its sessions, and credentials for hosts."""

from stac_asset.clients.http.client import HttpClient

__all__ = ["HttpClient"]
