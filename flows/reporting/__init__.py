"""Internal: artifacts, events, lineage, statistics, report files and final states of runs."""
