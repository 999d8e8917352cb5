"""The flow `sync`, its search and its result."""
