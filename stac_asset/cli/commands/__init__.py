"""Internal: the commands. Each module has a function that runs a command and returns the exit code.

The modules are imported when a command runs, so that `--help` is fast.
"""
