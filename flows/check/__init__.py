"""The flow `check_assets`, its result and its artifacts."""
