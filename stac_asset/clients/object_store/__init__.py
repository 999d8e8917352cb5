"""Clients for Google Cloud Storage and Azure Blob Storage, which need the extras."""

from stac_asset.clients.object_store.client import AzureClient, GcsClient

__all__ = ["AzureClient", "GcsClient"]
