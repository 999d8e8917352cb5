"""Internal: the sources of a mirror, which are STAC APIs, static catalogs and item files."""
