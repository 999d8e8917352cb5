"""Helpers of the tests: servers, processes, STAC documents and shared contracts."""
