"""Internal: monitoring of runs: run monitor, activity, disk space, failing items and metrics."""
