"""Internal: the sources of a mirror, such as STAC APIs, static catalogs and item files."""
