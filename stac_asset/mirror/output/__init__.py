"""Internal: writes the catalog, documents and index of a mirror, and removes items."""
