"""Text to image is judged by captions: real items pass, and each way to fail has its name."""

import re
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.arrays import Items
from pipeline.captions import Vocabulary
from pipeline.data.store import ItemSet
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.evaluation.verdict import Verdict
from pipeline.gans.base import GAN, ExportSpec, Phase
from pipeline.media.image.captioned_digits import CaptionedDigits
from pipeline.tasks.generate.conditions import draw_conditions
from pipeline.tasks.generate.evaluator import Evaluator
from pipeline.tasks.generate.gate import apply_gate, take
from pipeline.tasks.generate.measures.registry import MEASURES
from pipeline.tasks.generate.sample_set import SampleSet
from tests.captioned import captioned_items
from tests.gates import GateSettings
from tests.specs import image_spec


class Asked(GAN):
    """A variant that takes captions and draws nothing."""

    vocabulary = captioned_items().item.vocabulary

    @property
    def condition(self) -> str:
        return "tokens"

    def phases(self) -> list[Phase]:
        return []

    def export(self) -> list[ExportSpec]:
        return []

    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        return torch.zeros(n, 3, 8, 8)


def test_samples_are_asked_for_captions_in_the_shares_of_the_data() -> None:
    data = captioned_items()
    captions = ["", *data.captions[1:]]
    asked = draw_conditions(Asked(), captioned_items(captions=captions), 3000, 0)
    assert asked.captions is not None
    assert asked.labels is None, "the data has no classes"
    assert "" not in asked.captions
    counts, expected = Counter(asked.captions), Counter(captions[1:])
    assert set(counts) == set(expected)
    assert counts.most_common(1)[0][1] / 3000 == pytest.approx(max(expected.values()) / 59, abs=0.03)
    assert data.item.vocabulary is not None
    assert np.array_equal(asked.batch(5, 10)["tokens"], data.item.vocabulary.tokens(asked.captions[5:15]))
    some = asked.select(np.arange(3000) % 2 == 0)
    assert some.captions == asked.captions[::2]
    labels = np.arange(60)
    named = draw_conditions(Asked(), captioned_items(labels=labels), 20, 0)
    assert named.labels is not None
    assert [data.captions[label] for label in named.labels] == named.captions


READ = [MEASURES[name] for name in ("caption_precision", "caption_precision_unseen", "caption_spread")]


def read_split(split: str) -> ItemSet:
    """Return a split of the built-in captioned digits."""
    source = CaptionedDigits()
    files = [(path, load) for path, load in source.files() if path.startswith(split)]
    pixels = np.stack([np.frombuffer(load()[-192:], dtype=np.uint8).reshape(8, 8, 3) for _, load in files])
    captions = [source.caption(path) for path, _ in files]
    item = image_spec(8, 3).model_copy(update={"vocabulary": Vocabulary.of(captions)})
    return captioned_items(len(files), shards=[pixels], captions=captions, fingerprint=split, item=item)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[SampleSet, Verdict]]:
    """Return a function that judges a half of the test split against the other half, after a change of the samples."""
    train, test = read_split("train"), read_split("test")
    item = train.item
    folder = tmp_path_factory.mktemp("cache")

    def judge(seed: int, change: Callable[[Items, list[str]], tuple[Items, list[str]]]) -> tuple[SampleSet, Verdict]:
        mine, others = np.split(np.random.default_rng(seed).permutation(len(test)), 2)
        held_out = captioned_items(
            len(others),
            shards=[test.images(others)],
            captions=[test.captions[k] for k in others],
            fingerprint=f"half {seed}",
            item=item,
        )
        settings = EvaluateSettings(samples=len(mine), gate=GateSettings())
        real = Evaluator(train, held_out, item, settings, torch.device("cpu"), folder)
        # The same items are left out in every draw, so that one matcher serves all.
        vars(real)["calibration_positions"] = np.arange(500)
        images, captions = change(test.images(mine), [test.captions[k] for k in mine])
        data = SampleSet(real, images, captions=captions)
        found = {one.name: take(one, data) for one in READ}
        return data, apply_gate(data, READ, found, settings.gate)  # type: ignore[arg-type]

    return judge


@pytest.mark.slow
def test_real_items_pass_and_each_failure_has_its_name(judged: Callable[..., tuple[SampleSet, Verdict]]) -> None:
    rng = np.random.default_rng(0)

    def averaged(images: Items, captions: list[str]) -> tuple[Items, list[str]]:
        """Return for each caption the mean of its items."""
        texts = np.array(captions)
        return np.stack([images[texts == text].mean(axis=0) for text in captions]).astype(np.uint8), captions

    for seed in range(10):
        data, verdict = judged(seed, lambda images, captions: (images, captions))
        assert verdict.reasons == [], seed
    assert take(MEASURES["captions_unseen"], data).number == pytest.approx(113, abs=25)
    assert (take(MEASURES["caption_precision"], data).number or 0) > 0.9
    _, verdict = judged(0, lambda images, captions: (images, list(rng.permutation(captions))))
    assert verdict.reasons[0].startswith("text ignored: ")
    assert re.search(r"[0-9.]+ % of the samples are nearest to their own caption of 60 \(9\d", verdict.reasons[0])
    _, verdict = judged(0, averaged)
    assert [reason.partition(":")[0] for reason in verdict.reasons] == ["low diversity within captions"]
    _, verdict = judged(0, lambda images, captions: (np.ascontiguousarray(images[..., [1, 2, 0]]), captions))
    assert verdict.reasons[0].startswith("text ignored: "), "exchanged colours"
