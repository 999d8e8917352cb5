"""Internal: the parameters of flows: types, validation, run form and stored values."""
