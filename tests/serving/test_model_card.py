"""The card's example is code that runs, whatever the graph takes."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.serving import model_card, signature


@pytest.mark.parametrize(("which", "shape"), [("made", (16, 16, 16, 1)), ("made_conditional", (16, 8, 8, 3)), ("made_styled", (16, 8, 8, 1))])
def test_the_example_draws_pictures(which: str, shape: tuple[int, ...], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    made = request.getfixturevalue(which)
    described = signature.describe(made.path, made.metadata.class_names)
    card = model_card.render(made.metadata, described, {}, {"verdict": "pass"}, {})
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    monkeypatch.chdir(Path(made.path).parent)
    scope: dict[str, Any] = {}
    exec(code, scope)
    pixels = scope["pixels"].transpose(0, 2, 3, 1)
    assert (pixels.shape, pixels.dtype) == (shape, np.uint8)
    assert len(np.unique(pixels.reshape(16, -1), axis=0)) == 16
    assert ("--label" in card, "--psi" in card) == (which != "made", which == "made_styled")
