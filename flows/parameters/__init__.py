"""Internal: parameters of flows, with validation, run form, and stored values."""
