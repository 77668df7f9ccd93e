"""The gate names what is wrong with a part of the pieces, not only that they are unlike real ones."""

import functools
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.gate.failure import Real
from benchmarks.gate.music.failures import FAILURES
from pipeline.arrays import Items
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.media.music.grammar import PROGRESSIONS, compose
from pipeline.media.registry import MEDIA
from pipeline.tasks.generate.evaluator import Evaluator
from pipeline.tasks.registry import TASKS
from tests.digits import Labelled

MUSIC: Any = MEDIA["music"]
SPEC = MUSIC.spec(MUSIC.Settings(pitches=(41, 79)), ())
COUNT = 500


class Pieces(Labelled):
    item = SPEC


def compose_many(seed: int) -> Items:
    rng = np.random.default_rng(seed)
    names = list(PROGRESSIONS)
    return (np.stack([compose(names[k % 6], 8, rng) for k in range(COUNT)]) - 40).astype(np.uint8)[..., None]


@functools.cache
def judge() -> tuple[Evaluator, Real]:
    train, test, fresh = map(compose_many, range(3))
    labels = np.zeros(COUNT, np.int64)
    # Few short pieces repeat each other and training pieces by chance, which is not tested here.
    off = {"duplicate_rate": None, "near_duplicates": None, "authenticity": None, "copies": None}
    settings = EvaluateSettings(samples=COUNT, features="random", gate=TASKS["generate"].gate(MUSIC)(**off))
    known, held_out = Pieces(train, labels, "0" * 64), Pieces(test, labels, "1" * 64)
    return Evaluator(known, held_out, SPEC, settings, torch.device("cpu")), Real(fresh, labels, train, fresh[:0])


def reasons(items: Items) -> list[str]:
    return judge()[0].evaluate(items, leave_out=("kid", "fid_infinity")).verdict.reasons


def test_new_pieces_have_no_fault() -> None:
    assert reasons(judge()[1].images) == []


@pytest.mark.parametrize(
    ("key", "name", "evidence"),
    [
        ("voices of different pieces", "wrong harmony", "valid_progressions"),
        ("rhythm frozen", "frozen rhythm", "onset_rate"),
        pytest.param("time shuffled", "broken melody", "valid_progressions", marks=pytest.mark.slow),
        pytest.param("bass silent", "wrong rests", "rests", marks=pytest.mark.slow),
        pytest.param("bass an octave high", "crossed voices", "crossings", marks=pytest.mark.slow),
    ],
)
def test_a_fault_of_some_pieces_is_named(key: str, name: str, evidence: str) -> None:
    (failure,) = (one for one in FAILURES if one.key == key)
    assert failure.must is not None
    first, *_ = reasons(failure.apply(judge()[1], failure.must, np.random.default_rng(1)))
    assert first.startswith(f"{name}: "), first
    assert evidence in first
