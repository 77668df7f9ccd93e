"""What every task's judgement is given."""

import dataclasses
from pathlib import Path

import pytest
from tqdm import tqdm

from pipeline.tasks.base import progress_bar
from tests.tasks.translate.test_translation_evaluation import case, perfect


def test_where_it_comes_from_is_said(tmp_path: Path) -> None:
    found = case(perfect, tmp_path)
    assert found.provenance(images="7") == {
        "model": "dcgan, 7 images seen",
        "MLflow run": "run",
        "data": "gratings, 16 px, 3 channels",
        "data fingerprint": "5" * 64,
        "images": "7",
    }
    gray = dataclasses.replace(found, config=found.config.model_copy(update={"channels": 1, "images_seen": 1_500_000}))
    assert gray.provenance()["data"] == "gratings, 16 px, 1 channel"
    assert gray.provenance()["model"] == "dcgan, 1,500,000 images seen"


def test_a_bar_is_for_more_than_one_step_and_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert progress_bar(range(0, 8, 8), "one") == range(0, 8, 8)
    steps = progress_bar(range(0, 20, 8), "samples")
    assert isinstance(steps, tqdm)
    assert list(steps) == [0, 8, 16]
    assert capsys.readouterr() == ("", ""), "nobody watches"
