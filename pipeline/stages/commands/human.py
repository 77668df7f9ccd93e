"""A blind test of the model by people: write its page, and add the results to the metrics. Not a stage of dvc.yaml."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import Items
from pipeline.data.batch_sampling import TrainingItems
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
from pipeline.gans.base import GAN
from pipeline.media.registry import tensors_of
from pipeline.stages import metrics_files
from pipeline.stages.paths import Paths
from pipeline.tasks.registry import TASKS
from pipeline.training import model_files


def write_page(root: Path, seed: int) -> None:
    """Read data/ and models/; write reports/human.html.

    Raises:
        InputError: Inputs are missing, the model transforms items instead of generating them, it generates NaN or Inf,
            or the test split is too small.
    """
    paths = Paths(root)
    gan, config = model_files.load(paths.weights.parent)
    if TASKS[gan.task].takes_input:
        raise InputError(
            f"{paths.model_config}: variant {config.model.variant} transforms items. A blind test needs a model that "
            "generates them from noise."
        )
    info = DatasetInfo.read(paths.dataset)
    config.require_shape(info.item, paths.model_config)
    train, test = (open_split(paths.dataset, paths.validated, split) for split in ("train", "test"))
    blind = BlindTest(hash_file(paths.weights), test.fingerprint, seed)
    real = test.images(blind.choose_real(len(test)))
    page = blind.render(real, draw_generated(gan, train, seed), info.item)
    paths.human_page.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(paths.human_page, page.encode())
    sys.stdout.write(
        f"{paths.human_page}: {2 * HALF} items, half of them real. Open it in a browser, then run "
        f"`ganline human --result` with the file that it saves.\n"
    )


@torch.inference_mode()
def draw_generated(gan: GAN, train: TrainingItems, seed: int) -> Items:
    """Draw HALF items [n, H, W, C], with labels in the shares of the training items.

    Raises:
        InputError: The model generates NaN or Inf.
    """
    labels = np.random.default_rng(seed).choice(train.labels, HALF) if gan.classes else None
    conditions = {} if labels is None else {"label": torch.from_numpy(labels)}
    values = gan.sample(HALF, torch.Generator().manual_seed(seed), **conditions)
    if not torch.isfinite(values).all():
        raise InputError("the model generates NaN or Inf. Train it again, with a lower train.learning_rate.")
    return tensors_of(train.item).from_network(values)


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
