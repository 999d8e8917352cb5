"""Plans of runs: dry runs, their artifact, and the approval of large runs."""
