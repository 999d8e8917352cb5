"""Flow `sync`, which mirrors a STAC source, with search parameter and result."""
