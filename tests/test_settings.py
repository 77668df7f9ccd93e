"""Numbers that follow a schedule."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.settings import Ramp, Settings, bounded, ramp

NUMBERS = st.floats(-1e6, 1e6)


class Holder(Settings):
    value: Ramp = ramp(1.0)


@given(NUMBERS, NUMBERS, st.floats(-1, 2))
def test_schedules_follow_a_cosine(start: float, end: float, done: float) -> None:
    value = Ramp(start=start, end=end).at(done)
    clipped = min(max(done, 0.0), 1.0)
    assert value == pytest.approx(end + (start - end) * (1 + math.cos(math.pi * clipped)) / 2, abs=1e-6)
    assert min(start, end) - 1e-6 <= value <= max(start, end) + 1e-6


def test_values_at_the_ends_and_in_the_middle() -> None:
    falling = Ramp(start=4, end=2)
    assert (falling.at(0), falling.at(0.5), falling.at(1), falling.at(7)) == (4, 3, 2, 2)
    assert ramp(3).at(0.3) == 3


def test_constant_schedules_are_dumped_as_numbers() -> None:
    assert Holder.model_validate({"value": 2}).model_dump() == {"value": 2.0}
    assert Holder.model_validate({"value": {"start": 1, "end": 2}}).model_dump(mode="json") == {
        "value": {"start": 1.0, "end": 2.0}
    }
    for written in ({"value": 0.5}, {"value": {"start": 0.5, "end": 1}}):
        assert Holder.model_validate_json(Holder.model_validate(written).model_dump_json()) == Holder.model_validate(
            written
        )


@pytest.mark.parametrize(
    "value",
    [
        "fast",
        True,
        None,
        [1, 2],
        {"start": 1},
        {"start": 1, "end": "x"},
        {"start": 1, "end": 2, "by": 3},
        float("nan"),
        float("inf"),
    ],
)
def test_other_values_are_rejected(value: object) -> None:
    with pytest.raises(ValidationError):
        Holder.model_validate({"value": value})


def test_both_ends_must_be_within_the_bounds() -> None:
    assert bounded(ramp(0.5), 0, 1) == ramp(0.5)
    for wrong in (ramp(2), Ramp(start=0, end=2), Ramp(start=-1, end=0)):
        with pytest.raises(ValueError, match="must be from 0 to 1"):
            bounded(wrong, 0, 1)
    with pytest.raises(ValueError, match="must be at least 0"):
        bounded(ramp(-1), 0, math.inf)


def test_formatting() -> None:
    assert [str(ramp(0.05)), str(Ramp(start=1, end=0))] == ["0.05", "1 to 0"]
