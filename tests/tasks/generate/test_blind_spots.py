"""What the features of an evaluation cannot see is measured on real items."""

import pytest

from pipeline.measure import Measurement
from pipeline.tasks.generate.blind_spots import smallest_share


@pytest.mark.parametrize(
    ("seen", "spread", "bound", "expected"),
    [
        (0.7, 0.001, 0.03, 0.03 / 0.69),  # the bound decides
        (0.7, 0.02, 0.03, 0.1 / 0.69),  # chance decides
        (0.01, 0.001, 0.03, 1.0),  # broken items look like others
        (0.7, 0.001, None, 0.0),  # switched off
    ],
)
def test_the_smallest_share_that_fails(seen: float, spread: float, bound: float | None, expected: float) -> None:
    found = smallest_share(Measurement(0.01, 0.01, spread), seen, bound, 5.0)
    assert found == pytest.approx(expected)
