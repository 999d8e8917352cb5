"""Internal: the arguments of the commands, as click parses them, and the texts of `--help`."""
