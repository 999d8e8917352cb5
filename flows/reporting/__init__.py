"""Internal: artifacts, events, lineage, statistics and report files of runs."""
