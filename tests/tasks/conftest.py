"""Fixtures of the tests of tasks."""

from tests.digits import digits, judge, one_thread

__all__ = ["digits", "judge", "one_thread"]
