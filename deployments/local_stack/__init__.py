"""Internal: the server and workers of `make up` on this machine, and their systemd unit."""
