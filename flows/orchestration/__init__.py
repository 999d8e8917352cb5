"""Internal: the code of flows that reads sources, finds clients, and runs tasks."""
