"""Internal: writes the item documents, catalog and index of a mirror, and removes items."""
