"""Internal: parameters of flows, their validation, run form, and stored values."""
