"""Flow `sync`, which mirrors a STAC source, with the parameter `search` and the result."""
