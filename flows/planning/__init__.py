"""Internal: plans of runs: dry runs, the artifact, and the approval of large runs."""
