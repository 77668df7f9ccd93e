"""A look at a training, and whether its discriminator overfits."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from pipeline.gans.base import to_uint8
from pipeline.gans.registry import build
from pipeline.gans.variants.cgan.settings import CGANSettings
from pipeline.gans.variants.cyclegan.settings import CycleGANSettings
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.gans.variants.sgan.settings import SGANSettings
from pipeline.gans.variants.srgan.settings import SRGANSettings
from pipeline.training.looks import Restored, Translated, Watch
from tests.specs import image_spec

SMALL = {"latent": 4, "generator_channels": 4, "discriminator_channels": 4, "max_channels": 4}
IMAGE = image_spec(8, 1, 3)


def batch(seed: int, n: int = 40) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return {"image": torch.rand(n, 1, 8, 8, generator=rng) * 2 - 1, "label": torch.arange(n) % 3}


@pytest.mark.parametrize(
    "settings",
    [
        DCGANSettings.model_validate(SMALL),
        DCGANSettings.model_validate(
            {**SMALL, "discriminator_norm": "none", "stabilisers": {"packing": 2, "spectral_norm": True}}
        ),
        CGANSettings.model_validate(SMALL),
        SGANSettings.model_validate(SMALL),
    ],
)
def test_a_look_leaves_no_trace(settings: DCGANSettings) -> None:
    """Weights, buffers, modes and random numbers are as before; the same latents each time."""
    gan = build(settings, IMAGE).train()
    gan.get_submodule("generator").eval()  # as averages are
    before, drawn = {name: value.clone() for name, value in gan.state_dict().items()}, torch.get_rng_state()
    seen: list[npt.NDArray[np.uint8]] = []

    def measure(pixels: npt.NDArray[np.uint8]) -> dict[str, float]:
        seen.append(pixels)
        return {"fid": 1.0}

    watch = Watch(measure, batch(0), batch(1))
    first, second = watch.look(gan, 50, 0, 16), watch.look(gan, 50, 0, 16)
    assert first == second
    assert seen[0].shape == (50, 8, 8, 1)
    assert (seen[0] == seen[1]).all()
    assert len(np.unique(seen[0].reshape(50, -1), axis=0)) > 40, (
        "new latents, though an untrained generator tells few apart"
    )
    assert all(torch.equal(value, before[name]) for name, value in gan.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(module.training for module in gan.get_submodule("discriminator").modules())
    assert "overfitting" in first


class Scorer:
    """Scores images by their first pixel."""

    def score(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        return images[:, 0, 0, 0]


def level(value: float, spread: float = 0.01) -> Tensor:
    return value + spread * torch.randn(200, 1, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("held", "expected"), [(1.0, 0.0), (0.0, 0.5), (-1.0, 1.0), (0.6, 0.2)])
def test_r_v_is_the_papers(held: float, expected: float) -> None:
    watch = Watch(lambda _: {}, {"image": level(1.0)}, {"image": level(held)})
    assert watch.overfitting(Scorer(), level(-1.0), None) == pytest.approx(expected, abs=1e-6)  # type: ignore[arg-type]


def test_a_discriminator_that_tells_nothing_apart_cannot_overfit() -> None:
    watch = Watch(lambda _: {}, {"image": level(0.001, 1.0)}, {"image": level(-0.5, 1.0)})
    assert watch.overfitting(Scorer(), level(0.0, 1.0), None) == 0.0  # type: ignore[arg-type]


def test_without_held_out_images_it_is_not_measured() -> None:
    gan = build(DCGANSettings.model_validate(SMALL), IMAGE)
    assert Watch(lambda _: {"fid": 2.0}, batch(0), None).look(gan, 16, 0, 16) == {"fid": 2.0}


def test_an_image_that_is_not_finite_is_a_distance_that_is_not() -> None:
    gan = build(DCGANSettings.model_validate(SMALL), IMAGE)
    with torch.no_grad():
        next(iter(gan.get_submodule("generator").parameters())).fill_(float("nan"))
    assert np.isnan(Watch(lambda _: {"fid": 1.0}).look(gan, 16, 0, 16)["fid"])


def test_restorations_are_of_the_same_images_each_time() -> None:
    gan = build(SRGANSettings(generator_channels=4, blocks=1, scale=2, pretraining=1), image_spec(16, 3)).eval()
    rng = torch.Generator().manual_seed(0)
    held = {
        "input": torch.rand(10, 3, 8, 8, generator=rng) * 2 - 1,
        "target": torch.rand(10, 3, 16, 16, generator=rng) * 2 - 1,
    }
    seen: list[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]] = []

    def measure(made: npt.NDArray[np.uint8], target: npt.NDArray[np.uint8]) -> dict[str, float]:
        seen.append((made, target))
        return {"fid": 1.0, "rmse": 2.0}

    watch = Restored(measure, held)
    assert watch.look(gan, 7, 0, 3) == watch.look(gan, 7, 0, 3) == {"fid": 1.0, "rmse": 2.0}
    assert seen[0][0].shape == seen[0][1].shape == (7, 16, 16, 3)
    assert (seen[0][0] == seen[1][0]).all()
    with torch.no_grad():
        for parameter in gan.get_submodule("generator").parameters():
            parameter.fill_(float("nan"))
    broken = watch.look(gan, 7, 0, 3)
    assert set(broken) == {"fid", "rmse"}
    assert all(value != value for value in broken.values())


def test_translations_are_looked_at_in_every_direction() -> None:
    gan = build(
        CycleGANSettings(generator_channels=4, blocks=1, discriminator_channels=4, discriminator_layers=1),
        image_spec(16, 3),
    ).eval()
    rng = torch.Generator().manual_seed(0)
    held = {side: torch.rand(10, 3, 16, 16, generator=rng) * 2 - 1 for side in "ab"}
    seen: dict[str, list[npt.NDArray[np.uint8]]] = {"a": [], "b": []}

    def measure(side: str, fid: float) -> Callable[[npt.NDArray[np.uint8]], dict[str, float]]:
        def numbers(made: npt.NDArray[np.uint8]) -> dict[str, float]:
            seen[side].append(made)
            return {
                "fid": fid,
                "fid_error": fid,
                "diversity": fid / 10,
                "distance": 1 / fid,
                "near_duplicates": fid / 100,
            }

        return numbers

    look = Translated({"a": measure("a", 3.0), "b": measure("b", 4.0)}, held)
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
