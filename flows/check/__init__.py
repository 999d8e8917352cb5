"""Flow `check_assets` with result and artifacts: check sources without downloading."""
