"""Fixtures of the tests of tasks."""

from tests.digits import digits, evaluator, one_thread

__all__ = ["digits", "evaluator", "one_thread"]
