"""Internal: downloads of a flow run on many machines, as runs of the flow `download_batch`."""
