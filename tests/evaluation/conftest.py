"""Fixtures of the evaluation tests."""

from tests.digits import digits, evaluator, one_thread

__all__ = ["digits", "evaluator", "one_thread"]
