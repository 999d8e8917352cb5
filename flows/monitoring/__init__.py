"""Internal: monitoring of runs: activity, disk space, failing items, metrics and traces."""
