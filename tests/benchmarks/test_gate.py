"""The benchmark of the gate: what it corrupts, what it expects, and how it counts."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.gate.data import load_digits, load_foreign
from benchmarks.gate.failure import Failure, Real
from benchmarks.gate.failures import FAILURES
from benchmarks.gate.results import Outcome, Results
from pipeline.evaluation.verdict import Verdict

CLASSES = 10


def real_images(side: int, channels: int) -> Real:
    rng = np.random.default_rng(0)
    shape = (side, side, channels)
    images, train = (rng.integers(0, 256, (n, *shape)).astype(np.uint8) for n in (100, 50))
    return Real(images, np.arange(100) % CLASSES, train, load_foreign(shape))


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (28, 1), (32, 3)])
def test_every_failure_changes_images_and_keeps_their_form(side: int, channels: int) -> None:
    real = real_images(side, channels)
    failures = [failure for failure in FAILURES if failure.applies(real, labelled=True)]
    assert len([one for one in failures if one.must is not None]) >= 40
    for failure in failures:
        for strength in failure.strengths:
            images = failure.apply(real, strength, np.random.default_rng(1))
            assert images.dtype == np.uint8, failure.key
            assert images.shape[1:] == real.images.shape[1:], failure.key
            if failure.ask is not None:
                assert failure.ask(real, strength, np.random.default_rng(1)).shape == (len(images),)
        if failure.ask is None and failure.must is not None:
            assert not np.array_equal(images, real.images), failure.key


def test_strengths_are_rejected_from_the_weakest_required_one() -> None:
    failure = Failure("JPEG", ("compression",), (75, 50, 30, 10), lambda real, s, rng: real.images, must=30, accept=75)
    expected = [failure.expectation(strength, labelled=True) for strength in failure.strengths]
    assert expected == ["accept", "free", "reject", "reject"]
    assert failure.decisive(labelled=True) == (75, 30)


def test_without_labels_less_is_required() -> None:
    real = real_images(8, 1)
    by_key = {failure.key: failure for failure in FAILURES}
    assert by_key["drop classes"].weakest(labelled=True) == 1
    assert by_key["drop classes"].weakest(labelled=False) == 5
    assert by_key["rare class"].weakest(labelled=False) is None
    assert not by_key["labels ignored"].applies(real, labelled=False)


def outcome(failure: Failure, strength: float, *names: str) -> Outcome:
    tests: Any = [SimpleNamespace(name="recall", value=0.1, state="fail")] if names else []
    evaluation: Any = SimpleNamespace(verdict=Verdict(tests, [f"{name}: evidence. Advice" for name in names]))
    return Outcome(failure, strength, failure.expectation(strength, True), strength == failure.must, evaluation)


def test_shares_count_rejections_and_names() -> None:
    blur = Failure("blur", ("blurred",), (1, 2), lambda real, s, rng: real.images, must=1)
    shift = Failure("shift", (), (1,), lambda real, s, rng: real.images, accept=1)
    outcomes = [outcome(blur, 1), outcome(blur, 2, "noisy", "blurred"), outcome(shift, 1)]
    results = Results(outcomes, [[], ["blurred"]])
    text = "\n".join(results.summary())
    assert "rejected at the weakest required strength | 0 of 1" in text
    assert "all required strengths | 1 of 2" in text
    assert "harmless sets accepted | 1 of 1" in text
    assert "false alarm | 1 of 2 (blurred)" in text
    assert not results.complete
    assert "| blur | blurred | 1: **pass** | 2: **noisy** |" in results.matrix()
    assert Results([outcome(blur, 1, "blurred"), outcome(shift, 1)]).complete


def test_data_can_be_small_and_without_labels() -> None:
    data = load_digits().restrict(labelled=False, train=360, reference=90)
    test, fresh = data.split(0, samples=100)
    assert (len(data.train), len(test), len(fresh.images)) == (360, 90, 100)
    assert set(test.labels) == {-1}
    assert set(fresh.labels) == set(range(10))
    assert not data.item.classes
