"""R-precision and the spread within captions, against cases whose answer is known."""

import numpy as np
import pytest

from pipeline.arrays import Float32Array
from pipeline.evaluation.measures.caption_precision import Retrieved, retrieve
from pipeline.evaluation.measures.caption_spread import caption_spread


def directions(n: int, d: int = 40) -> dict[str, Float32Array]:
    """Return random directions of length 1, of captions "0" to n - 1."""
    values = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)
    return dict(zip(map(str, range(n)), values / np.linalg.norm(values, axis=1, keepdims=True), strict=True))


def test_items_that_lie_at_their_caption_are_found_and_others_by_chance() -> None:
    texts = directions(200)
    captions = [str(k % 200) for k in range(1000)]
    exact = retrieve(np.stack([texts[caption] for caption in captions]), captions, texts, 0)
    assert exact is not None
    assert exact.all()
    rng = np.random.default_rng(1)
    mixed = retrieve(np.stack([texts[caption] for caption in rng.permutation(captions)]), captions, texts, 0)
    assert mixed is not None
    assert mixed.mean() == pytest.approx(1 / 60, abs=0.02)


def test_captions_that_say_the_same_are_no_wrong_answers() -> None:
    texts = directions(80)
    texts |= {f"again {name}": value for name, value in list(texts.items())[:40]}
    captions = [str(k) for k in range(40)]
    items = np.stack([texts[caption] for caption in captions])
    hits = retrieve(items + 0.01, captions, texts, 0)
    assert hits is not None
    assert hits.all()
    assert retrieve(items[:5], captions[:5], dict(list(texts.items())[:8]), 0) is None, "too few others"


def test_shares_of_all_and_of_unseen_captions() -> None:
    found = Retrieved(np.array([True, True, False, True]), np.array([False, True, True, False]))
    assert (found.share(), found.share(unseen=True)) == ((3, 4), (1, 2))


def test_spread_within_captions() -> None:
    rng = np.random.default_rng(0)
    captions = [str(k % 30) for k in range(240)]
    centres = rng.normal(0, 10, (30, 12))

    def draw(scale: float) -> Float32Array:
        values = np.array([centres[int(caption)] for caption in captions]) + scale * rng.normal(size=(240, 12))
        return values.astype(np.float32)

    real = draw(1)
    same = caption_spread(draw(1), captions, real, captions, seed=0)
    narrow = caption_spread(draw(0.7), captions, real, captions, seed=0)
    frozen = caption_spread(draw(0), captions, real, captions, seed=0)
    assert same.number == pytest.approx(1.0, abs=0.1)
    assert narrow.number == pytest.approx(0.7, abs=0.05)
    assert frozen.number == pytest.approx(0.0, abs=1e-3)
    assert 0 < (same.spread or 0) < 0.1
    assert caption_spread(real, captions, real[:9], captions[:9], seed=0).value is None
