"""Ranges of a search: their defaults for every variant, wrong keys, and how values become parameters."""

from pathlib import Path
from typing import Any

import pytest

from pipeline import params
from pipeline.errors import InputError
from pipeline.gans.registry import VARIANTS
from pipeline.tuning.ranges import choose_ranges, default_ranges, format_range, present_value, start_point, with_values
from pipeline.tuning.settings import Interval, TuneSettings

PRESETS = sorted((Path(__file__).parents[2] / "presets").glob("*.yaml"))
START: dict[str, Any] = {
    "model": {"variant": "dcgan", "generator_channels": 8, "penalties": {"r1": 0.0}},
    "train": {
        "batch_size": 48,
        "seed": 0,
        "flips": False,
        "learning_rate": {"generator": {"start": 0.1, "end": 0.01}, "discriminator": 0.0002},
    },
}


def read(preset: Path) -> dict[str, Any]:
    """Return all parameters of a preset."""
    return params.parse(preset.read_text(), str(preset)).model_dump(mode="json", by_alias=True)


def test_every_variant_has_default_ranges_around_the_presets() -> None:
    """The values of a preset lie in its ranges, so a search that starts there can return to it."""
    seen = set()
    for preset in PRESETS:
        values = read(preset)
        seen.add(values["model"]["variant"])
        ranges = choose_ranges(TuneSettings(), values, {"diffaugment"})
        assert {"train.learning_rate.generator", "train.learning_rate.discriminator", "train.batch_size"} <= set(ranges)
        point = start_point(ranges, values)
        for key in ("train.learning_rate.generator", "train.learning_rate.discriminator", "train.batch_size"):
            assert point[key] == present_value(values, key), (preset.stem, key)
        assert params.parse_values(with_values(values, {key: present_value(values, key) for key in ranges}))
    assert len(seen) > len(VARIANTS) / 2


def test_keys_that_the_variant_lacks_have_no_range() -> None:
    ranges = default_ranges(START, ["diffaugment", "ada"])
    assert set(ranges) == {
        *("train.learning_rate.generator", "train.learning_rate.discriminator"),
        *("model.penalties.r1", "train.batch_size", "model.generator_channels"),
    }
    assert ranges["model.generator_channels"] == (4, 8, 16)


def test_the_start_is_in_every_range_or_at_its_end() -> None:
    ranges = choose_ranges(TuneSettings(), START, [])
    assert ranges["train.batch_size"] == (48, 32, 64, 128, 256)
    point = start_point(ranges, START)
    assert point["train.learning_rate.generator"] == 0.01  # ten times as high
    assert point["model.penalties.r1"] == 0.001  # none
    assert point["train.batch_size"] == 48


def test_a_schedule_keeps_its_shape_and_the_start_is_not_changed() -> None:
    chosen = {"train.learning_rate.generator": 0.004, "train.learning_rate.discriminator": 0.001, "train.flips": True}
    changed = with_values(START, chosen)
    assert changed["train"]["learning_rate"] == {"generator": {"start": 0.004, "end": 0.0004}, "discriminator": 0.001}
    assert changed["train"]["flips"] is True
    assert START["train"]["flips"] is False
    assert START["train"]["learning_rate"]["generator"] == {"start": 0.1, "end": 0.01}


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"train.batch_sise": [32, 64]}, "did you mean `train.batch_size`"),
        ({"evaluate.samples": [32, 64]}, "no such key"),
        ({"train.seed": [1, 2]}, "cannot be searched"),
        ({"model.variant": ["dcgan", "cgan"]}, "cannot be searched"),
        ({"model.penalties": [1, 2]}, "section"),
        ({"train.flips": {"low": 0, "high": 1}}, "not a number"),
    ],
)
def test_a_wrong_key_is_refused_by_name(ranges: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        choose_ranges(TuneSettings(ranges=ranges), START, [])
    assert next(iter(ranges)) in str(error.value)


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        ({"ranges": {"train.beta1": [0.5]}}, "tune.ranges: train.beta1: a list must hold two or more"),
        ({"ranges": {"train.beta1": {"low": 1}}}, "train.beta1: must be a list of values, {low, high}"),
        ({"ranges": {"train.beta1": {"low": 1, "high": 0}}}, "low 1 must be below high 0"),
        ({"ranges": {"train.beta1": {"low": 0, "high": 1, "log": True}}}, "low 0 must be above 0"),
        ({"ranges": {}}, "must be auto, or ranges by key"),
        ({"trials": None}, "set one of them"),
        ({"trails": 3}, "did you mean `trials`"),
    ],
)
def test_wrong_settings_are_refused_with_their_key(tune: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match="params: tune") as error:
        params.parse_values({"data": {}, "tune": tune})
    assert message in str(error.value)


def test_ranges_survive_params_yaml() -> None:
    from pipeline.cli.params_text import format_params

    tune = {"ranges": {"train.batch_size": [16, 32], "train.beta1": {"low": 0, "high": 0.9}}}
    loaded = params.parse_values({"data": {}, "tune": tune})
    assert params.parse(format_params(loaded), "written") == loaded
    assert loaded.tune.ranges == {"train.batch_size": (16, 32), "train.beta1": Interval(low=0, high=0.9)}
    assert format_range(Interval(low=1e-5, high=0.01, log=True)) == "1e-05 to 0.01 (log)"
