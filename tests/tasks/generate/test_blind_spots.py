"""What the features of an evaluation cannot see is measured on real items."""

import pytest

from pipeline.measure import Measurement
from pipeline.tasks.generate.blind_spots import smallest_share


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (Measurement(0.01, 0.0, 0.001), 0.03),  # the bound decides
        (Measurement(0.01, 0.0, 0.02), 0.1),  # chance decides
        (None, 1.0),  # altered items look like others
    ],
)
def test_the_smallest_share_that_fails(share: Measurement | None, expected: float) -> None:
    assert smallest_share(share, 0.03, 5.0) == pytest.approx(expected)
