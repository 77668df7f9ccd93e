"""A blind test of the model by people: write its page, and add the results to the metrics. Not a stage of dvc.yaml."""

import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.data.store import DatasetInfo, open_split
from pipeline.errors import InputError
from pipeline.evaluation.blind_test import (
    HALF,
    BlindTest,
    check_answers,
    describe_score,
    hash_file,
    read_answers,
    score,
)
from pipeline.files import write_atomically
from pipeline.stages import metrics_files
from pipeline.stages.paths import Paths
from pipeline.tasks.registry import TASKS
from pipeline.training import model_files


def write_page(root: Path, seed: int) -> None:
    """Read data/ and models/; write reports/human.html.

    Raises:
        InputError: Inputs are missing, the model generates NaN or Inf, or the test split is too small.
    """
    paths = Paths(root)
    gan, config = model_files.load(paths.weights.parent)
    info = DatasetInfo.read(paths.dataset)
    config.require_shape(info.item, paths.model_config)
    train, test = (open_split(paths.dataset, paths.validated, split) for split in ("train", "test"))
    blind = BlindTest(hash_file(paths.weights), test.fingerprint, seed)
    real, generated = TASKS[gan.task].blind_items(gan, train, test, blind)
    page = blind.render(real, generated, info.item)
    paths.human_page.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(paths.human_page, page.encode())
    sys.stdout.write(
        f"{paths.human_page}: {2 * HALF} items, half of them real. Open it in a browser, then run "
        f"`ganline human --result` with the file that it saves.\n"
    )


def add_results(root: Path, files: Sequence[Path]) -> None:
    """Check the results of people and write metrics/human.json.

    Raises:
        InputError: A file is not the complete result of a test of the present model on the present data, or two files
            are equal.
    """
    paths = Paths(root)
    if not paths.weights.is_file():
        raise InputError(f"{paths.weights}: no such file; run `dvc repro` or `dvc checkout` first")
    model, data = hash_file(paths.weights), open_split(paths.dataset, paths.validated, "test").fingerprint
    results = []
    for path in files:
        found = read_answers(path)
        check_answers(path, found, model, data)
        if found in results:
            raise InputError(f"{path}: this result is given twice. Give each person's result once.")
        results.append(found)
    measured = score(results)
    metrics_files.write(paths.human_metrics, measured)
    sys.stdout.write(f"{paths.human_metrics}: {describe_score(measured)}\n")
