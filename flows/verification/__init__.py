"""The flow `verify` and its result."""
