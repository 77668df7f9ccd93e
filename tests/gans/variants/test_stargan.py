"""StarGAN v2: losses against formulas, the effect of class and style, updated networks, preview and export."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor
from torch.nn.functional import softplus

from pipeline.gans.base import GAN, Progress
from pipeline.gans.registry import ModelSettings, build
from pipeline.gans.variants.stargan.self_similarity import RADII, structure_loss
from pipeline.gans.variants.stargan.stargan_networks import AdaptiveNorm, select
from pipeline.items import DataLayout
from tests.gans.translating import random_pairs
from tests.specs import image_spec

START, END = Progress(0, 0.0), Progress(9, 1.0)
BYPASSES = ("none", "shortcuts", "image")
SMALL = {
    "latent": 3,
    "style": 5,
    "generator_channels": 4,
    "downsamplings": 1,
    "blocks": 1,
    "discriminator_channels": 4,
    "style_channels": 4,
    "mapping_width": 8,
    "max_channels": 8,
}


def rng(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(classes: int = 3, channels: int = 3, **settings: Any) -> Any:
    torch.manual_seed(0)
    parsed: ModelSettings = TypeAdapter(ModelSettings).validate_python({"variant": "stargan"} | SMALL | settings)
    return build(parsed, image_spec(8, channels, classes))


def random_batch(channels: int = 3) -> dict[str, Tensor]:
    pairs, others = random_pairs(4, 8, channels), random_pairs(8, 8, channels)
    return {
        "item": pairs["a"],
        "label": torch.tensor([0, 1, 2, 0]),
        "target": torch.tensor([1, 2, 0, 0]),
        "reference": pairs["b"],
        "other_reference": others["b"][4:],
    }


@pytest.mark.parametrize("example", [False, True])
def test_generator_loss_against_the_formula(example: bool) -> None:
    weights = {"adversarial": 2, "style": 3, "diversity": {"start": 5, "end": 0}, "cycle": 7, "structure": 11}
    gan, batch, random = small(weights=weights), random_batch(), rng()
    images, source, target = batch["item"], batch["label"], batch["target"]
    if example:
        style, second = (gan.styles(batch[name], target) for name in ("reference", "other_reference"))
    else:
        style, second = (gan.mapping(torch.randn(4, 3, generator=random), target) for _ in range(2))
    fake, other = gan.generator(images, style), gan.generator(images, second)
    back = gan.generator(fake, gan.styles(images, source))
    without = (
        2 * softplus(-gan.discriminator(fake, target)).mean()
        + 3 * (gan.styles(fake, target) - style).abs().mean()
        + 7 * (back - images).abs().mean()
        + 11 * structure_loss(images, fake)
    )
    loss = gan.example_generator_loss if example else gan.latent_generator_loss
    torch.testing.assert_close(loss(batch, START, rng()).total, without - 5 * (fake - other).abs().mean())
    torch.testing.assert_close(loss(batch, END, rng()).total, without)
    assert not any("diversity" in name for name in loss(batch, END, rng()).terms)


@pytest.mark.parametrize("example", [False, True])
def test_discriminator_loss_against_the_formula(example: bool) -> None:
    gan, batch, target = small(r1=3.0), random_batch(), random_batch()["target"]
    style = (
        gan.styles(batch["reference"], target) if example else gan.mapping(torch.randn(4, 3, generator=rng()), target)
    )
    fake = gan.generator(batch["item"], style)
    real = batch["item"].clone().requires_grad_()
    x, y = gan.discriminator(real, batch["label"]), gan.discriminator(fake, target)
    (gradient,) = torch.autograd.grad(x.sum(), real, retain_graph=True)
    expected = softplus(-x).mean() + softplus(y).mean() + 3 / 2 * gradient.square().sum(dim=(1, 2, 3)).mean()
    loss = gan.example_discriminator_loss if example else gan.latent_discriminator_loss
    torch.testing.assert_close(loss(batch, START, rng()).total, expected)
    plain = small(r1=0).example_discriminator_loss(batch, START, rng())
    assert "r1" not in plain.terms


@pytest.mark.parametrize("bypass", BYPASSES)
def test_each_phase_updates_its_networks_only(
    check_updates: Callable[[GAN, dict[str, Tensor]], None], bypass: str
) -> None:
    gan = small(bypass=bypass)
    check_updates(gan, random_batch())
    networks = {phase.name: phase.networks for phase in gan.phases()}
    assert networks["generator_example"] == ("generator",), "an example says nothing about where styles should lie"


def test_a_domain_s_output_depends_on_its_own_head_only() -> None:
    values = torch.arange(24.0).reshape(2, 3, 4)
    assert torch.equal(select(values, torch.tensor([2, 0])), torch.stack([values[0, 2], values[1, 0]]))
    gan, images = small(), random_batch()["item"]
    before = [gan.discriminator(images, torch.full((4,), k)) for k in range(3)]
    with torch.no_grad():
        gan.discriminator.heads.weight[1] += 1
        gan.mapping.own[1][-1].bias += 1
    after = [gan.discriminator(images, torch.full((4,), k)) for k in range(3)]
    assert [torch.equal(one, two) for one, two in zip(before, after, strict=True)] == [True, False, True]


def test_the_style_gives_mean_and_deviation_of_the_maps() -> None:
    layer, maps = AdaptiveNorm(2, 3), torch.randn(4, 3, 8, 8, generator=rng()) * 5 + 2
    result = layer(maps, style := torch.randn(4, 2, generator=rng(8)))
    scale, shift = layer.linear(style).chunk(2, dim=1)
    torch.testing.assert_close(result.mean(dim=(2, 3)), shift)
    torch.testing.assert_close(result.std(dim=(2, 3), correction=0), (1 + scale).abs(), rtol=1e-4, atol=1e-4)


def test_structure_is_the_difference_to_neighbours_in_eight_directions() -> None:
    image, other = random_pairs(3, 9, 2).values()
    offsets = [(radius * y, radius * x) for radius in RADII for y, x in ((0, 1), (1, 0), (1, 1), (1, -1))]

    def contrast(sample: Tensor, y: int, x: int, offset: tuple[int, int]) -> float:
        there = sample[:, y + offset[0], x + offset[1]]
        return float((sample[:, y, x] - there).abs().mean())

    means = []
    for down, right in offsets:
        places = [(y, x) for y in range(9 - down) for x in range(9) if 0 <= x + right < 9]
        pairs = zip(image, other, strict=True)
        gaps = [
            abs(contrast(a, y, x, (down, right)) - contrast(b, y, x, (down, right)))
            for a, b in pairs
            for y, x in places
        ]
        means.append(sum(gaps) / len(gaps))
    assert float(structure_loss(image, other)) == pytest.approx(sum(means) / len(means), rel=1e-5)


def test_structure_ignores_the_sign_and_sees_a_shift_or_the_wrong_places() -> None:
    strokes = -torch.ones(1, 1, 16, 16)
    strokes[:, :, 3:13, 6:8] = 1
    filled = -strokes
    filled[:, :, :, :6] = 1  # dark where there was none
    assert structure_loss(strokes, -strokes) == structure_loss(strokes, strokes + 0.25) == 0
    assert structure_loss(strokes, filled.roll(2, dims=3)) > structure_loss(strokes, strokes.roll(1, dims=3)) > 0.1


def test_without_a_bypass_everything_passes_the_style() -> None:
    images = random_batch()["item"]
    for bypass in BYPASSES:
        gan = small(bypass=bypass).eval()
        for block in gan.generator.decoder:
            for norm in (block.norm1, block.norm2):
                torch.nn.init.zeros_(norm.linear.weight)
                with torch.no_grad():
                    norm.linear.bias.copy_(torch.tensor([-1.0, 0.0]).repeat_interleave(len(norm.linear.bias) // 2))
        one, other = gan.generator(images[:1], torch.ones(1, 5)), gan.generator(images[1:2], torch.ones(1, 5))
        assert torch.allclose(one, other, atol=1e-6) == (bypass == "none"), (
            "styles that scale every map by 0 leave no input"
        )


def test_styles_invert_images_from_the_start() -> None:
    gan, styles = small(bypass="none").eval(), torch.randn(400, 5, generator=rng())
    scale, _ = gan.generator.contrast(styles).chunk(2, dim=1)
    assert 0.25 < (scale < 0).float().mean() < 0.75
    images, style = random_batch()["item"], styles[:4]
    before = gan.generator(images, style)
    with torch.no_grad():
        gan.generator.contrast.weight.neg_()
    torch.testing.assert_close(gan.generator(images, style), -before)


def test_the_change_of_an_image_starts_near_nothing_and_stays_in_range() -> None:
    gan, images, style = small(bypass="image"), random_batch()["item"].clamp(-1, 1), torch.ones(4, 5)
    change = gan.generator(images, style) - images
    assert 0 < change.abs().max() < 0.01
    torch.nn.init.zeros_(gan.generator.last[-1].weight)
    torch.nn.init.constant_(gan.generator.last[-1].bias, 0.5)
    assert torch.equal(gan.generator(images, style), (images + 0.5).clamp(max=1))


def test_directions_lead_between_all_classes_in_their_order() -> None:
    ways = small(3).directions()
    assert list(ways) == ["a_to_b", "a_to_c", "b_to_a", "b_to_c", "c_to_a", "c_to_b"]
    assert all(ways[way.inverse].inverse == name and way.multimodal for name, way in ways.items())
    assert list(small(2).directions()) == ["a_to_b", "b_to_a"]


def test_translations_have_the_class_and_the_style_that_were_asked_for() -> None:
    gan, images = small().eval(), random_batch()["item"]
    z = torch.randn(4, 3, generator=rng(5))
    expected = gan.generator(images, gan.mapping(z, torch.full((4,), 2)))
    torch.testing.assert_close(gan.translate(images, "b_to_c", rng(5)), expected)
    torch.testing.assert_close(gan.sample(4, rng(), item=images, label=torch.full((4,), 2), z=z), expected)
    assert not torch.allclose(gan.translate(images, "b_to_a", rng(5)), expected, atol=1e-3)
    assert not torch.allclose(gan.translate(images, "b_to_c", rng(6)), expected, atol=1e-3)
    own = gan.styles(images, torch.full((4,), 1))
    torch.testing.assert_close(gan.reconstruct(expected, images, "b_to_c", rng()), gan.generator(expected, own))
    torch.testing.assert_close(gan.map_identity(images, "c_to_b", rng()), gan.generator(images, own))


def test_preview_shows_each_example_in_all_classes() -> None:
    gan, batch = small().eval(), random_batch()
    sheet = gan.preview(64, rng(), batch).reshape(4, 4, 3, 8, 8)
    assert gan.preview_columns == 4
    torch.testing.assert_close(sheet[:, 0], batch["item"])
    z = torch.randn(4, 3, generator=rng())
    torch.testing.assert_close(sheet[:, 3], gan.generator(batch["item"], gan.mapping(z, torch.full((4,), 2))))


@pytest.mark.slow
@pytest.mark.parametrize("bypass", BYPASSES)
def test_onnx_equals_pytorch(onnx_parity: Callable[[GAN, int], float], bypass: str) -> None:
    assert onnx_parity(small(channels=1, bypass=bypass), 3) < 1e-4


def test_graphs_equal_the_methods_of_the_variant() -> None:
    gan, batch = small().eval(), random_batch()
    generator, example = gan.export()
    assert (generator.name, list(generator.inputs)) == ("generator", ["item", "label", "z"])
    assert (example.name, list(example.inputs)) == ("example", ["item", "label", "reference"])
    label, z = torch.full((4,), 2), torch.randn(4, 3, generator=rng(5))
    found = generator.module(batch["item"], label, z)
    torch.testing.assert_close(found, gan.translate(batch["item"], "a_to_c", rng(5)))
    found = example.module(batch["item"], label, batch["reference"])
    torch.testing.assert_close(found, gan.translate_like(batch["item"], batch["reference"], "a_to_c"))


def test_settings_reject_data_that_has_no_such_domains() -> None:
    settings = TypeAdapter(ModelSettings).validate_python({"variant": "stargan", "downsamplings": 2})
    settings.check_data(DataLayout(height=16, width=16, classes=("a", "b", "c")))
    settings.check_data(DataLayout(height=16, width=16))
    with pytest.raises(ValueError, match=r"translates between 2 to 26 classes, but 1 is named"):
        settings.check_data(DataLayout(height=16, width=16, classes=("a",)))
    with pytest.raises(ValueError, match=r"takes at least 16"):
        settings.check_data(DataLayout(height=8, width=8))
    with pytest.raises(ValidationError, match="diversity"):
        TypeAdapter(ModelSettings).validate_python({"variant": "stargan", "weights": {"diversity": -1}})
