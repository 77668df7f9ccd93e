"""The chord grammar: what it composes is valid, and every broken rule is found."""

from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.media.music.grammar import PROGRESSIONS, classify, compose
from pipeline.media.music.grid import pitches_of
from pipeline.media.registry import MEDIA

MUSIC: Any = MEDIA["music"]
SETTINGS: Any = MUSIC.Settings()


def example(seed: int = 0) -> Any:
    return compose("plagal", 8, np.random.default_rng(seed))


@pytest.mark.parametrize("steps", [4, 8, 16])
def test_composed_pieces_are_valid_and_have_their_class(steps: int) -> None:
    rng = np.random.default_rng(0)
    pieces = np.stack([compose(name, steps, rng) for name in PROGRESSIONS for _ in range(20)])
    assert classify(pieces).tolist() == np.repeat(np.arange(len(PROGRESSIONS)), 20).tolist()
    assert len({piece.tobytes() for piece in pieces}) > 0.9 * len(pieces) or steps == 4


@pytest.mark.parametrize(
    ("what", "at", "value"),
    [
        ("soprano outside the chord", (1, 0), 62),
        ("soprano above its range", (0, 0), 84),
        ("bass moves within a chord", (1, 3), 41),
        ("bass on another note than the root", (slice(0, 2), 3), 43),
        ("tenor moves within a chord", (3, 2), 50),
        ("alto doubles the root", (slice(0, 2), 1), 60),
        ("a rest", (5, 0), -1),
        ("voices cross", (slice(0, 2), 2), 67),
    ],
)
def test_a_broken_rule_is_found(what: str, at: Any, value: int) -> None:
    piece = example().copy()
    assert classify(piece[None])[0] == 1
    piece[at] = value
    assert classify(piece[None])[0] == -1, what


def test_leaps_are_found() -> None:
    piece = example().copy()
    piece[:, 0] = [60, 60, 64, 64, 65, 65, 64, 64]
    piece[0, 0] = 72
    assert classify(piece[None])[0] == -1


def test_files_of_the_source_decode_to_their_class() -> None:
    source = MUSIC.open_source("chord-grammar", SETTINGS, None)
    assert source is not None
    files = list(source.files())
    assert [name for name, _ in files[:2]] == ["authentic/0000.mid", "authentic/0001.mid"]
    spec = MUSIC.spec(SETTINGS, tuple(PROGRESSIONS))
    for name, load in files[::400]:
        (item,) = MUSIC.decode(load(), SETTINGS)
        assert list(PROGRESSIONS)[classify(pitches_of(item.values, spec)[None])[0]] == name.partition("/")[0]
    assert files[5][1]() == files[5][1]()


@pytest.mark.parametrize("about", [{"voices": 3}, {"steps": 6}, {"pitches": (50, 79)}, {"key": "C"}])
def test_settings_that_do_not_fit_the_grammar_are_refused(about: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"data\.source chord-grammar: its items have 4 voices"):
        MUSIC.open_source("chord-grammar", MUSIC.Settings(**about), None)
