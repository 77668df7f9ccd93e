"""The provenance of an evaluation, and progress bars."""

from pathlib import Path

import pytest
from tqdm import tqdm

from pipeline.tasks.base import progress_bar
from tests.tasks.translate.test_translation_evaluation import case, perfect


def test_the_provenance_names_model_run_and_data(tmp_path: Path) -> None:
    assert case(perfect, tmp_path).provenance(images="7") == {
        "model": "dcgan, 7 images seen",
        "MLflow run": "run",
        "data": "gratings, 16 x 16 x 3",
        "data fingerprint": "5" * 64,
        "images": "7",
    }


def test_a_progress_bar_needs_several_steps_and_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert progress_bar(range(0, 8, 8), "one") == range(0, 8, 8)
    steps = progress_bar(range(0, 20, 8), "samples")
    assert isinstance(steps, tqdm)
    assert list(steps) == [0, 8, 16]
    assert capsys.readouterr() == ("", "ganline: samples (3 steps)\n"), "stderr is no terminal"
