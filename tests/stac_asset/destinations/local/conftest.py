"""Fixtures of the tests of the local destination."""

from tests.support.containment import workspace

__all__ = ["workspace"]
