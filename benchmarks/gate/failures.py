"""All failures that the benchmark imitates."""

from benchmarks.gate.corruptions import classes, copies, garbage, look, repeats
from benchmarks.gate.failure import Failure

FAILURES: tuple[Failure, ...] = (
    *classes.FAILURES,
    *repeats.FAILURES,
    *copies.FAILURES,
    *garbage.FAILURES,
    *look.FAILURES,
)
