"""Internal: the files of a mirror, in a local directory or in a prefix of an object store."""
