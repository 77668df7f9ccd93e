"""The evaluation of translators with known behaviour: perfect, identity, constant, noisy, broken, with styles."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.arrays import UInt8Array
from pipeline.data.store import DatasetInfo, ItemSet, PairSet
from pipeline.errors import InputError
from pipeline.evaluation.extractors import classifier
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.gans.base import GAN, Direction, ExportSpec, Phase, View
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.media.registry import MEDIA
from pipeline.tasks.base import EvaluationCase, EvaluationResult, Folders
from pipeline.tasks.registry import TASKS
from pipeline.tasks.translate.translations import shrink
from pipeline.training.model_files import ModelConfig
from tests.browser import Page
from tests.specs import image_spec
from tests.tasks.generate.test_report_in_a_browser import measure_layout

SIDE = 16
GATE = TASKS["translate"].gate(MEDIA["image"])
Translate = Callable[[Tensor, str, torch.Generator], Tensor]


def gratings(n: int, seed: int) -> UInt8Array:
    """Return horizontal waves, more blue than red. Their partners are transposed, with red and blue swapped."""
    rng = np.random.default_rng(seed)
    y = np.arange(SIDE)[None, :, None, None]
    period, phase, strength = (rng.uniform(low, high, (n, 1, 1, 1)) for low, high in ((3, 9), (0, 6.3), (20, 100)))
    tint = np.array([-40, 0, 50])[None, None, None]
    waves = 120 + strength * np.sin(y / period * 6.28 + phase) + tint + rng.normal(0, 6, (n, SIDE, SIDE, 3))
    return np.asarray(np.clip(waves, 0, 255), dtype=np.uint8)


def swapped(images: UInt8Array) -> UInt8Array:
    return np.ascontiguousarray(images.swapaxes(1, 2)[..., ::-1])


def held(images: UInt8Array, labels: list[int], fingerprint: str, kind: Any = ItemSet, **more: Any) -> ItemSet:
    count = len(images)
    found: ItemSet = kind(
        shards=[images],
        shard=np.zeros(count, dtype=np.int64),
        row=np.arange(count),
        labels=np.array(labels, dtype=np.int64),
        names=[f"{k}.png" for k in range(count)],
        item=image_spec(SIDE, 3, ["horse", "deer"]),
        fingerprint=fingerprint * 64,
        **more,
    )
    return found


def pairs(n: int, seed: int, fingerprint: str) -> ItemSet:
    a = gratings(n, seed)
    wide = np.concatenate([a, swapped(a)], axis=2)
    return held(wide, [-1] * n, fingerprint, PairSet, partners=None)


def domains(n: int, seed: int, fingerprint: str) -> ItemSet:
    return held(
        np.concatenate([gratings(n, seed), swapped(gratings(n + 7, seed + 100))]), [0] * n + [1] * (n + 7), fingerprint
    )


class Translator(GAN):
    """Translates with a given function."""

    task = "translate"

    def __init__(self, does: Translate, ways: Mapping[str, Direction], view: View) -> None:
        super().__init__()
        self.does, self.ways, self.view = does, ways, view

    def phases(self) -> list[Phase]:
        return []

    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        raise NotImplementedError

    def export(self) -> list[ExportSpec]:
        return []

    def directions(self) -> Mapping[str, Direction]:
        return self.ways

    def translate(self, images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        return self.does(images, direction, rng)


BOTH = {"a_to_b": Direction("a", "b", "b_to_a"), "b_to_a": Direction("b", "a", "a_to_b")}
STYLED = {name: dataclasses.replace(way, multimodal=True) for name, way in BOTH.items()}
ONE = {"a_to_b": Direction("a", "b")}


def case(
    does: Translate,
    root: Path,
    ways: Mapping[str, Direction] = BOTH,
    *,
    paired: bool = False,
    count: int = 60,
    **evaluate: Any,
) -> EvaluationCase:
    train, test = (domains(k, seed, mark) for k, seed, mark in ((4 * count, 1, "1"), (count, 2, "2")))
    if paired:
        train, test = pairs(200, 1, "3"), pairs(count, 2, "4")
    settings = EvaluateSettings(gate=GATE(), **evaluate)
    info = DatasetInfo(
        source="gratings",
        fingerprint="5" * 64,
        images=1,
        set_aside=0,
        item=image_spec(SIDE, 3, ["horse", "deer"]),
        splits={},
        shards=[],
    )
    config = ModelConfig(
        model=DCGANSettings(),
        item=image_spec(SIDE, 3, ["horse", "deer"]),
        dataset_source="gratings",
        dataset_fingerprint="5" * 64,
        images_seen=7,
    )
    gan = Translator(does, ways, View("paired" if paired else "domains"))
    folders = Folders(root, root / "models", root / "cache", root / "extractors", root / "evaluations")
    return EvaluationCase(
        gan=gan,
        config=config,
        info=info,
        train=train,
        test=test,
        settings=settings,
        device=torch.device("cpu"),
        folders=folders,
        opset=20,
        run_id="run",
    )


def evaluate(does: Translate, root: Path, *rest: Any, **more: Any) -> EvaluationResult:
    outcome = TASKS["translate"].evaluate(case(does, root, *rest, **more))
    json.dumps(outcome.metrics, allow_nan=False)
    return outcome


def perfect(images: Tensor, _direction: str, _rng: torch.Generator) -> Tensor:
    return images.transpose(2, 3).flip(1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder; its cache keeps the classifier, for which 76 steps suffice here."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    made = tmp_path_factory.mktemp("translation")
    torch.set_num_threads(before)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "MIN_STEPS", 30)
        yield made


def test_a_perfect_translator_passes_everything(root: Path) -> None:
    outcome = evaluate(perfect, root)
    found = outcome.metrics
    assert found["verdict"] == "pass", found["reasons"]
    assert found["fid_excess"] == pytest.approx(0, abs=0.15)
    assert found["fid"] == pytest.approx(found["fid_null"], rel=0.6)
    assert found["fid_ratio"] < 0.3
    assert found["cycle_error"] == found["cycle_ratio"] == 0
    assert found["dependence"] == pytest.approx(1, abs=0.3)
    assert found["kid"] < 0.1 * found["input_kid"]
    assert found["images"] == 60 + 67
    assert found["fid"] == pytest.approx((found["fid_a_to_b"] + found["fid_b_to_a"]) / 2)
    assert all("outliers (" in text and "fewer than 100 test images" in text for text in found["skipped"])
    assert outcome.line.startswith("horse to deer: fid ")
    assert "cycle error 0.0; deer to horse: " in outcome.line
    for words in (
        "Verdict: pass",
        "horse to deer",
        "and back. Not picked",
        "Least convincing",
        "data:image/png;base64,",
    ):
        assert words in outcome.page, words


def test_the_identity_copies_its_input(root: Path) -> None:
    curves = [{"images": 8.0 * step, "health_fid": 9.0 / step} for step in range(1, 7)] + [{"images": 56.0}]
    improving = dataclasses.replace(case(lambda images, _d, _r: images, root), curves=curves)
    outcome = TASKS["translate"].evaluate(improving)
    found, page = outcome.metrics, outcome.page
    captions = [f"{way}, farthest from real images" for way in ("horse to deer", "deer to horse")]
    assert [page.count(f"{caption}; from left to right: ") for caption in captions] == [2, 2], "caption and description"
    assert page.count('<tr class="exhibits">') == 2
    assert "Least convincing" not in page
    for way in BOTH:
        assert found[f"fid_ratio_{way}"] == 1
        assert found[f"fid_excess_{way}"] == pytest.approx(1)
        assert found[f"cycle_error_{way}"] == found[f"identity_error_{way}"] == found[f"change_{way}"] == 0
        assert found[f"kid_{way}"] == found[f"input_kid_{way}"]
    assert found["verdict"] == "fail"
    assert [reason.partition(": ")[0] for reason in found["reasons"]] == [
        "stopped while still improving",
        "copies of the input (horse to deer)",
        "copies of the input (deer to horse)",
    ]


def test_a_constant_is_mode_collapse(root: Path) -> None:
    found = evaluate(lambda images, _d, _r: torch.zeros_like(images) + 0.2, root).metrics
    assert found["dependence"] == 0
    assert found["repeats"] == 1
    assert found["cycle_ratio"] > 0.6
    assert len(found["reasons"]) == 2
    assert found["reasons"][0].startswith(
        "mode collapse (horse to deer): the generator ignores its input: dependence 0 (bound >= 0.25"
    )
    assert "; also failed: repeats 1 (bound <= 0.1 + null" in found["reasons"][0]
    assert " fid_excess " in found["reasons"][0].partition("; also failed:")[2]


def test_a_few_repeated_images_are_mode_collapse(root: Path) -> None:
    stock = torch.from_numpy(swapped(gratings(5, 9)).astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)

    def few(images: Tensor, _direction: str, _rng: torch.Generator) -> Tensor:
        return stock[(images.sum(dim=(1, 2, 3)) * 10).long() % 5] + 0.02 * images

    found = evaluate(few, root, ONE).metrics
    assert found["repeats_a_to_b"] > 0.8
    assert found["dependence"] > 0.25
    assert found["reasons"][0].startswith(
        "mode collapse (horse to deer): the generator makes fewer different images than there are real ones: repeats "
    )


def test_noise_is_unlike_the_target_and_ignores_its_input(root: Path) -> None:
    def noise(images: Tensor, _direction: str, rng: torch.Generator) -> Tensor:
        return torch.rand(images.shape, generator=rng) * 2 - 1

    found = evaluate(noise, root).metrics
    assert found["fid_excess"] > 0.5
    assert found["dependence"] == 0, "the noise does not depend on the input"
    assert all(reason.startswith("mode collapse") for reason in found["reasons"])


def test_lost_content_is_named(root: Path) -> None:
    """Every input becomes a real image of the target domain, but not its own partner."""

    def other(images: Tensor, _direction: str, rng: torch.Generator) -> Tensor:
        return images.transpose(2, 3).flip(1).roll(1, dims=0)

    found = evaluate(other, root).metrics
    assert found["fid_excess"] == pytest.approx(0, abs=0.15)
    assert found["cycle_ratio"] > 0.8
    assert [reason.partition(":")[0] for reason in found["reasons"]] == [
        "lost content (horse to deer)",
        "lost content (deer to horse)",
    ]


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_nonfinite_images_are_counted_and_named(share: float, root: Path) -> None:
    def broken(images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        made = perfect(images, direction, rng)
        made[images.flatten(1).mean(dim=1).argsort()[: int(share * len(images))]] = torch.nan
        return made

    outcome = evaluate(broken, root, ONE)
    found = outcome.metrics
    assert found["nonfinite"] == int(share * 60)
    assert found["reasons"][0] == (
        f"non-finite images (horse to deer): {int(share * 60)} of 60 hold NaN or Inf; the generator diverged. "
        "Try a lower train.learning_rate"
    )
    assert (found["fid"] is not None) == (share < 1)
    assert list(outcome.material.features) == ["_a_to_b"]
    assert [len(side) for side in outcome.material.features["_a_to_b"]] == [60, 67], (
        "comparisons use the exported images, in which NaN is black"
    )
    assert ("No translation was finite" in outcome.page) == (share == 1)


def test_pairs_are_compared_with_their_partners(root: Path) -> None:
    outcome = evaluate(perfect, root, ONE, paired=True)
    found = outcome.metrics
    assert (found["psnr"], found["l1"]) == (100, 0)
    assert found["ssim"] == pytest.approx(1)
    assert found["psnr_gain"] == pytest.approx(100 - found["input_psnr"])
    assert found["fid"] == pytest.approx(0, abs=1e-6)
    assert found["verdict"] == "pass"
    assert "cycle_error" not in found
    assert "as deer, real deer. Not picked" in outcome.page
    idle = evaluate(lambda images, _d, _r: images, root, ONE, paired=True).metrics
    for name in ("l1", "psnr", "ssim"):
        assert idle[name] == idle[f"input_{name}"]
    assert idle["psnr_gain"] == 0
    worse = evaluate(lambda images, d, r: -perfect(images, d, r), root, ONE, paired=True).metrics
    assert worse["psnr_gain"] < 0
    assert any("psnr_gain" in reason for reason in worse["reasons"])


def test_some_broken_translations_of_pairs_explain_the_distance_to_the_partners(root: Path) -> None:
    """Without them, the other translations are near their partners."""

    def broken(images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        made = perfect(images, direction, rng).clone()
        made[::10] = 2 * torch.rand(made[::10].shape, generator=rng) - 1
        return made

    given = case(broken, root, ONE, paired=True, count=120)
    gate = given.settings.gate.model_copy(update={"perceptual_ratio": 0.05})
    strict = dataclasses.replace(given, settings=given.settings.model_copy(update={"gate": gate}))
    found = TASKS["translate"].evaluate(strict).metrics
    assert [reason.partition(" (")[0] for reason in found["reasons"]] == ["broken images"]
    assert "perceptual_ratio" in found["reasons"][0]


def test_models_are_compared_by_features_or_by_partners(root: Path) -> None:
    domains = evaluate(perfect, root).material
    assert (list(domains.item_scores), list(domains.features)) == ([], ["_a_to_b", "_b_to_a"])
    assert evaluate(perfect, root, count=3).material.features == {}, "too few for a distance"

    def broken(images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        made = 0.9 * perfect(images, direction, rng)
        made[0] = torch.nan
        return made

    outcome = evaluate(broken, root, ONE, paired=True)
    values = outcome.material.item_scores["psnr_a_to_b"]
    assert (len(values), values[0], outcome.material.features) == (60, 0, {}), (
        "non-finite images keep their place and count as the worst"
    )
    assert float(np.mean(values[1:])) == pytest.approx(outcome.metrics["psnr_a_to_b"])


def test_the_diversity_of_styles_is_tested(root: Path) -> None:
    without = evaluate(perfect, root, STYLED).metrics
    assert without["diversity"] == without["diversity_ratio"] == 0
    assert without["diversity_real"] > 0
    assert without["reasons"][0].startswith("styles without effect (horse to deer): diversity_ratio 0 (bound >= 0.05")

    def bright(images: Tensor, direction: str, rng: torch.Generator) -> Tensor:
        return perfect(images, direction, rng) + 0.08 * torch.randn(len(images), 1, 1, 1, generator=rng)

    outcome = evaluate(bright, root, STYLED)
    assert outcome.metrics["diversity_ratio"] > 0.05
    assert outcome.metrics["verdict"] == "pass", outcome.metrics["reasons"]
    assert "in 8 styles drawn at random" in outcome.page


def test_it_is_reproducible_and_shows_the_previous_run(root: Path) -> None:
    first = evaluate(perfect, root)
    again = case(perfect, root)
    second = TASKS["translate"].evaluate(dataclasses.replace(again, previous=first.metrics))
    assert second.metrics == first.metrics
    assert "<th>Before</th>" in second.page
    assert "<th>Before</th>" not in first.page
    other = TASKS["translate"].evaluate(
        dataclasses.replace(again, previous=first.metrics | {"protocol": "measure=fid"})
    )
    assert "<th>Before</th>" not in other.page


def test_distances_of_few_images_are_skipped(root: Path) -> None:
    found = evaluate(perfect, root, count=3).metrics
    assert found["verdict"] == "pass"
    assert found["fid"] is None
    assert any(text.startswith("fid_excess (horse to deer): fewer than 10 images") for text in found["skipped"])


def test_unsuitable_features_and_empty_domains_are_rejected(root: Path) -> None:
    with pytest.raises(InputError, match=r"evaluate\.features is classifier"):
        evaluate(perfect, root, features="classifier")
    empty = case(perfect, root)
    with pytest.raises(InputError, match="test split has 0 images"):
        TASKS["translate"].evaluate(dataclasses.replace(empty, test=held(gratings(0, 1), [], "6")))
    with pytest.raises(InputError, match="0 images of the domain deer"):
        TASKS["translate"].evaluate(dataclasses.replace(empty, test=held(gratings(5, 1), [0] * 5, "7")))


def test_large_images_are_shrunk_for_the_report() -> None:
    images = np.arange(2 * 256 * 256 * 3, dtype=np.uint32).reshape(2, 256, 256, 3).astype(np.uint8)
    small = shrink(images)
    assert small.shape == (2, 128, 128, 3)
    assert small[1, 3, 5, 2] == np.rint(images[1, 6:8, 10:12, 2].mean())
    assert shrink(small) is small


@pytest.mark.parametrize(("width", "height"), [(320, 568), (1280, 800)])
def test_the_report_fits_the_screen(tab: Page, width: int, height: int, root: Path, tmp_path: Path) -> None:
    page = evaluate(lambda images, _d, rng: images + 0.2 * torch.rand(images.shape, generator=rng), root, STYLED).page
    found = measure_layout(tab, page, width, height, tmp_path)
    assert found["scroll"] <= found["width"], found["wide"]
    assert found["wide"] == []
    assert len(found["pictures"]) == 6
    assert all(complete and natural > 0 and shown > 0 for complete, natural, shown in found["pictures"])
    assert "fail" in found["verdict"][0][0]
