"""Credentials as Prefect blocks: a block is configuration only, and makes a client on request."""
