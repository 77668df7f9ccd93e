"""All failures that the benchmark imitates."""

from benchmarks.gate.failure import Failure, Real
from benchmarks.gate.images.corruptions import classes, copies, garbage, look, repeats

FAILURES: tuple[Failure[Real], ...] = (
    *classes.FAILURES,
    *repeats.FAILURES,
    *copies.FAILURES,
    *garbage.FAILURES,
    *look.FAILURES,
)
