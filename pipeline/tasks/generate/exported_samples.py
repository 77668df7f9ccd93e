"""The evaluation of an exported generator: samples that ONNX Runtime draws, for champion against challenger."""

import tempfile
from typing import IO

import numpy as np

from pipeline.arrays import Int64Array, Items
from pipeline.errors import InputError
from pipeline.serving.graph_tensors import Arrays, take_in_turn
from pipeline.serving.runtime.generator import Generator
from pipeline.tasks.base import EvaluationCase, progress_bar
from pipeline.tasks.exported_model import ExportedEvaluation, ExportedModel, load_or_evaluate
from pipeline.tasks.generate.conditions import draw_captions
from pipeline.tasks.generate.evaluator import evaluate
from pipeline.tasks.generate.measures.registry import measures_for
from pipeline.tasks.generate.sample_set import SampleSet

SHOWN = 64
"""Samples that show a model next to another."""

LISTED = 20
"""Class names that a message lists."""


def evaluate_exported(model: ExportedModel, case: EvaluationCase) -> ExportedEvaluation:
    """Evaluate samples of an exported generator.

    Raises:
        InputError: The graph does not draw samples, or knows none of the classes of the data.
    """
    generator, real = Generator(model.graph), case.real_data()

    def compute() -> ExportedEvaluation:
        with tempfile.TemporaryFile() as scratch:
            evaluation = evaluate(SampleSet(real, draw_samples(generator, case, scratch)))
        return ExportedEvaluation(evaluation.metrics, evaluation.material)

    code = [compute, *(measure.compute for measure in measures_for(real.medium))]
    return load_or_evaluate(case, [model.graph.path], "", compute, code=code)


def draw_samples(generator: Generator, case: EvaluationCase, scratch: IO[bytes]) -> Items:
    """Draw `evaluate.samples` items [n, H, W, C] onto the disk behind `scratch`."""
    settings, name = case.settings, generator.graph.path.name
    n = settings.samples
    conditions = choose_conditions(generator, case, n)
    for start in progress_bar(range(0, n, settings.batch_size), f"samples of {name}"):
        size = min(settings.batch_size, n - start)
        rows = {name: values[start : start + size] for name, values in conditions.items()}
        made = generator.generate(generator.latents(settings.seed, start, size), rows)
        items = generator.graph.medium.measured(made, generator.graph.result_item, case.info.item)
        scratch.write(items.tobytes())
    scratch.flush()
    return np.memmap(scratch, dtype=items.dtype, mode="r", shape=(n, *items.shape[1:]))


def draw_some(model: ExportedModel, case: EvaluationCase) -> Items:
    """Draw samples [64, H, W, C] that show an exported generator; the same case gives two models the same latents."""
    generator = Generator(model.graph)
    made = generator.generate(
        generator.latents(case.settings.seed, 0, SHOWN), choose_conditions(generator, case, SHOWN)
    )
    return generator.graph.medium.measured(made, generator.graph.result_item, case.info.item)


def choose_conditions(generator: Generator, case: EvaluationCase, n: int) -> Arrays:
    """Return n rows of every condition that the generator takes: captions of held-out items, or chosen labels.

    Raises:
        InputError: The generator knows none of the classes of the data, or the data has no captions.
    """
    if "tokens" not in generator.inputs:
        return take_in_turn(generator.conditions(label=choose_labels(generator, case, n)), n)
    vocabulary = generator.metadata.item.vocabulary
    if vocabulary is None or not any(case.test.captions):
        raise InputError(
            f"{generator.graph.path.name}: the model takes text, and the held-out items have no captions. The two "
            "models cannot be compared."
        )
    tokens = draw_captions(vocabulary, case.test, n, case.settings.seed).inputs["tokens"].numpy()
    return take_in_turn(generator.conditions(), n) | {"tokens": tokens}


def choose_labels(generator: Generator, case: EvaluationCase, n: int) -> Int64Array | None:
    """Draw n labels of the generator in the shares of the training images; None if it takes no labels.

    A class that the generator does not know is not drawn, and is missing from the samples.

    Raises:
        InputError: The generator knows none of the classes of the data.
    """
    if not generator.classes:
        return None
    classes = case.info.item.classes
    positions = {classes.index(label): position for position, label in enumerate(generator.classes) if label in classes}
    labels = case.train.labels[np.isin(case.train.labels, list(positions))]
    if not len(labels):
        raise InputError(
            f"{generator.graph.path.name}: the model knows the classes {', '.join(generator.classes[:LISTED])}, and "
            "the data has none of them. The two models cannot be compared."
        )
    chosen = np.random.default_rng(case.settings.seed).choice(labels, n)
    return np.array([positions[int(label)] for label in chosen], dtype=np.int64)
