"""Internal: how flows run tasks: flow class, runner, sessions, limits, retries, states, traces."""
