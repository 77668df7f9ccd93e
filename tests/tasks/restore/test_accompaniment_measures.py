"""How accompaniments are judged: real ones pass, and those that ignore the melody, hardly move or clash are named."""

import functools
from typing import Any

import numpy as np
import pytest

from pipeline.arrays import Items
from pipeline.evaluation.verdict import Verdict
from pipeline.media.music.grammar import PROGRESSIONS, compose
from pipeline.media.registry import MEDIA
from pipeline.tasks.parts import apply_gate, measure_part
from pipeline.tasks.registry import TASKS
from pipeline.tasks.restore.similarity_measures import measures_of_similarity
from pipeline.tasks.restore.similarity_trial import SimilarityTrial

MUSIC: Any = MEDIA["music"]
SPEC = MUSIC.spec(MUSIC.Settings(pitches=(41, 79)), tuple(PROGRESSIONS))
COUNT = 300


@functools.cache
def pieces() -> Items:
    """Return pieces of the chord grammar, class by class, as a store holds them."""
    rng = np.random.default_rng(0)
    return (np.stack([compose(name, 8, rng) for name in PROGRESSIONS for _ in range(COUNT // 6)]) - 40).astype(
        np.uint8
    )[..., None]


def judge(made: Items) -> tuple[Verdict, dict[str, Any]]:
    given = pieces().copy()
    given[:, :, 1:] = 0
    trial = SimilarityTrial("accompanied", SPEC, pieces(), given, made)
    gate = TASKS["restore"].gate(MUSIC)()
    part = measure_part(trial, measures_of_similarity(MUSIC), "", "")
    return apply_gate([part], gate), dict(part.values)


def test_real_accompaniments_pass() -> None:
    verdict, values = judge(pieces())
    assert verdict.reasons == []
    assert values["chord_agreement"] == 1
    assert values["chord_agreement_over_baseline"] > 0.3


def borrowed() -> Items:
    made = pieces().copy()
    made[:, :, 1:] = made[np.random.default_rng(1).permutation(COUNT)][:, :, 1:]
    return made


def frozen() -> Items:
    made = pieces().copy()
    made[:, 4:, 1:] = made[:, 3:4, 1:]
    made[:, :4, 1:] = made[:, :1, 1:]
    made[:, 1::2, 0] = made[:, ::2, 0]
    return made


def clashing() -> Items:
    made = pieces().copy()
    made[:, ::3, 1] += 1
    return made


@pytest.mark.parametrize(
    ("made", "name"), [(borrowed, "wrong harmony"), (frozen, "frozen rhythm"), (clashing, "wrong notes")]
)
def test_what_is_wrong_has_a_name(made: Any, name: str) -> None:
    verdict, _ = judge(made())
    assert name in [reason.partition(":")[0] for reason in verdict.reasons], verdict.reasons


def test_an_accompaniment_that_ignores_what_is_given_is_no_better_than_the_baseline() -> None:
    _, values = judge(borrowed())
    assert abs(values["chord_agreement_over_baseline"]) < 0.06
