"""The finished model of a project, as networks and as exported graph, and the classifier of its data."""

from pathlib import Path

from pipeline import params as parameters
from pipeline.data.store import DatasetInfo, open_split
from pipeline.errors import InputError
from pipeline.evaluation.extractors.classifier import Classifier
from pipeline.gans.base import GAN
from pipeline.serving.runtime.generator import Generator
from pipeline.stages.evaluation_data import open_real_data
from pipeline.stages.paths import Paths
from pipeline.tracking.run_json import read_run_id
from pipeline.training import model_files


def open_model(paths: Paths) -> tuple[Generator, GAN]:
    """Open exported/generator.onnx and the networks in models/.

    Raises:
        InputError: A file is missing, the two are not the same model, or it draws no items from z.
    """
    generator = Generator(paths.generator)
    gan, _ = model_files.load(paths.weights.parent)
    if read_run_id(paths.run) != generator.metadata.mlflow_run:
        raise InputError(f"{paths.generator}: is not the model in {paths.weights.parent}. Run `dvc repro export`.")
    return generator, gan


def open_classifier(root: Path) -> Classifier | None:
    """Return the evaluation's classifier of the data; None for data without classes."""
    paths = Paths(root)
    params = parameters.load(paths.params)
    info = DatasetInfo.read(paths.dataset)
    train, test = (open_split(paths.dataset, paths.validated, split) for split in ("train", "test"))
    return open_real_data(paths, params, info, train, test).classifier
