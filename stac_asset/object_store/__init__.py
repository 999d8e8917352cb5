"""Internal: Google Cloud Storage and Azure Blob Storage, for clients and destinations."""
