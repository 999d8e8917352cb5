"""Internal: the command `stac-asset init`, which writes files to start with into a repository."""
