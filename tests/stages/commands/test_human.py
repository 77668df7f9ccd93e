"""`ganline human` on a real checkout: the page shows real and generated items; results reach metrics and summary."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.cli.summary import summary
from pipeline.data.store import open_split
from pipeline.errors import InputError
from pipeline.evaluation.blind_test import BlindTest, hash_file
from pipeline.media.registry import find_medium
from pipeline.stages.commands import human
from tests.stages.conftest import Line


def test_results_reach_metrics_and_summary(
    new_line: Callable[[], Line], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = new_line().root
    human.write_page(root, seed=5)
    assert "reports/human.html: 40 items, half of them real" in capsys.readouterr().out
    page = (root / "reports/human.html").read_text()
    test = open_split(root / "data/dataset", root / "data/validated", "test")
    blind = BlindTest(hash_file(root / "models/generator.safetensors"), test.fingerprint, 5)
    shown = re.findall(r'<div class="item" hidden>(.*?)</div>', page)
    real = [find_medium("image").html(item, test.item) for item in test.images(blind.choose_real(len(test)))]
    assert [html for html, is_real in zip(shown, blind.is_real, strict=True) if is_real] == real
    assert len(set(shown)) == 40

    answers = ["real"] * 40
    result = {"test": "ganline-human-1", "model": blind.model, "data": blind.data, "seed": 5, "key": blind.key}
    path = tmp_path / "human-5.json"
    path.write_text(json.dumps(result | {"answers": answers}))
    with pytest.raises(InputError, match="given twice"):
        human.add_results(root, [path, path])
    human.add_results(root, [path])
    measured = json.loads((root / "metrics/human.json").read_text())
    assert (measured["human_accuracy"], measured["human_answers"], measured["generated_taken_for_real"]) == (0.5, 40, 1)
    line = "50 % of 40 answers are right (35.2 % to 64.8 %; guessing gives 50 %)"
    assert line in capsys.readouterr().out
    assert f"human      {line}" in summary(root)

    with (root / "models/generator.safetensors").open("ab") as file:
        file.write(b" ")
    assert "metrics/human.json is about another model" in summary(root)
    with pytest.raises(InputError, match="the test showed another model"):
        human.add_results(root, [path])
