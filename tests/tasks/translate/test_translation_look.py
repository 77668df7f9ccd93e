"""Health checks of the task "translate"."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from pipeline.arrays import UInt8Array
from pipeline.gans.registry import build
from pipeline.gans.variants.cyclegan.settings import CycleGANSettings
from pipeline.tasks.translate.translation_look import TranslationLook
from tests.specs import image_spec, to_uint8


def test_every_direction_is_measured() -> None:
    gan = build(
        CycleGANSettings(generator_channels=4, blocks=1, discriminator_channels=4, discriminator_layers=1),
        image_spec(16, 3),
    ).eval()
    rng = torch.Generator().manual_seed(0)
    held = {side: torch.rand(10, 3, 16, 16, generator=rng) * 2 - 1 for side in "ab"}
    seen: dict[str, list[UInt8Array]] = {"a": [], "b": []}

    def measure(side: str, fid: float) -> Callable[[UInt8Array], dict[str, float]]:
        def numbers(made: UInt8Array) -> dict[str, float]:
            seen[side].append(made)
            return {
                "fid": fid,
                "fid_error": fid,
                "diversity": fid / 10,
                "distance": 1 / fid,
                "near_duplicates": fid / 100,
            }

        return numbers

    look = TranslationLook({"a": measure("a", 3.0), "b": measure("b", 4.0)}, image_spec(16, 3), held)
    found = look.look(gan, 7, 0, 3)
    assert found == look.look(gan, 7, 0, 3)
    made = gan.translate(held["a"][:7], "a_to_b", rng)
    back = gan.translate(made, "b_to_a", rng)
    other = gan.translate(gan.translate(held["b"][:7], "b_to_a", rng), "a_to_b", rng)
    cycle = (float((back - held["a"][:7]).abs().mean()) + float((other - held["b"][:7]).abs().mean())) / 2 * 127.5
    expected = {
        "fid": 3.5,
        "fid_error": 2.5,
        "diversity": 0.3,
        "distance": 0.25,
        "near_duplicates": 0.04,
        "cycle": cycle,
    }
    assert found == pytest.approx(expected, rel=1e-5)
    assert [one.shape for one in seen["b"]] == [(7, 16, 16, 3)] * 2
    np.testing.assert_array_equal(seen["b"][0], to_uint8(made))
    with torch.no_grad():
        for parameter in gan.get_submodule("generator_ba").parameters():
            parameter.fill_(float("nan"))
    assert np.isnan(look.look(gan, 7, 0, 3)["fid"])
