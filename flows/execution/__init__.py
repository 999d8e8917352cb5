"""Internal: how flows run tasks: runner, sessions, limits, retries, states, and stopping."""
