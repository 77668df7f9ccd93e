"""Fixtures of the evaluation tests."""

from tests.digits import digits, judge, one_thread

__all__ = ["digits", "judge", "one_thread"]
