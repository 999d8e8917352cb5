"""Internal: the steps of a flow between its parameters and its tasks."""
