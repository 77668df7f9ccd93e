"""Samples must have the same class after they became files and items again."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pipeline.arrays import Float32Array, Items
from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.evaluation.extractors.classifier import Classifier
from pipeline.evaluation.measures.kept_classes import compare_kept, find_kept
from pipeline.media.audio.settings import AudioSettings
from pipeline.media.audio.tones import CLASSES, draw_tone
from pipeline.media.audio.waves import to_picture
from pipeline.media.registry import MEDIA

SETTINGS = AudioSettings(sample_rate=8000)


class Roughness:
    """Calls an item rough if neighbouring rows differ by a third of the scale."""

    spec: Any = SimpleNamespace(dims=1)

    def features(self, items: Items) -> Float32Array:
        steps: Float32Array = np.abs(np.diff(items[..., 0].astype(np.float32), axis=1)).mean(axis=(1, 2))
        return steps[:, None]

    def predict(self, features: Float32Array) -> Float32Array:
        return np.concatenate([85 - features, features - 85], axis=1)


JUDGE = cast(Classifier, Roughness())


def tones(n: int) -> Items:
    rng = np.random.default_rng(0)
    return to_picture(np.stack([draw_tone(CLASSES[k % len(CLASSES)], rng) for k in range(n)]), SETTINGS.codec)


def test_pictures_that_no_sound_has_lose_their_class() -> None:
    spec = MEDIA["audio"].spec(SETTINGS, ())
    real = find_kept(ArrayItems(tones(20)), JUDGE, spec)
    assert real is not None
    assert real.all()
    samples = tones(20)
    samples[:5] = 255
    samples[:5, ::2] = 0
    kept = find_kept(ArrayItems(samples), JUDGE, spec)
    assert kept is not None
    assert kept.tolist() == [False] * 5 + [True] * 15
    found = compare_kept(kept, real)
    assert (found.value, found.null) == (0.75, 1)
    assert cast(float, found.z) < -3


@pytest.mark.parametrize("medium", ["image", "music"])
def test_files_that_hold_items_unchanged_are_not_read_again(medium: str) -> None:
    settings: Any = MEDIA[medium].Settings
    spec = MEDIA[medium].spec(settings(), ())
    assert find_kept(ArrayItems(np.zeros((3, *spec.shape), dtype=spec.dtype)), JUDGE, spec) is None
