"""Fixtures of the tests of planning."""

from tests.support.containment import workspace
from tests.support.local_hrefs import directory, secret

__all__ = ["directory", "secret", "workspace"]
