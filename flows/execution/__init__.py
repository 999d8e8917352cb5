"""Internal: task runners, sessions, limits, retries, states, and stopping of runs."""
