"""Paths of the files of a project, as in dvc.yaml. Only the stages and the command line know them."""

from dataclasses import dataclass
from pathlib import Path


def project_root() -> Path:
    """Return the nearest parent folder with a dvc.yaml; the working directory if there is none."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "dvc.yaml").is_file()), here)


@dataclass(frozen=True)
class Paths:
    """Paths of the files of one checkout."""

    root: Path

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def lock(self) -> Path:
        return self.root / "requirements.lock"

    @property
    def dataset(self) -> Path:
        """Folder: dataset.json, manifest.parquet, shards/."""
        return self.root / "data" / "dataset"

    @property
    def validated(self) -> Path:
        """Folder: index.parquet (accepted rows), quarantine.csv (rejected rows with reasons)."""
        return self.root / "data" / "validated"

    def worker(self, number: int) -> Path:
        """Folder of a worker's own dataset/ and validated/ (`model.split: own`); not an output of the graph."""
        return self.root / "data" / "workers" / str(number)

    @property
    def server(self) -> Path:
        """Folder of the held-out dataset/ and validated/ of the process that has the generator (`model.split: own`)."""
        return self.root / "data" / "workers" / "server"

    @property
    def validation_metrics(self) -> Path:
        return self.root / "metrics" / "validation.json"

    @property
    def data_docs(self) -> Path:
        return self.root / "reports" / "data_docs"

    @property
    def weights(self) -> Path:
        return self.root / "models" / "generator.safetensors"

    @property
    def model_config(self) -> Path:
        return self.root / "models" / "config.json"

    @property
    def run(self) -> Path:
        return self.root / "models" / "run.json"

    @property
    def curves(self) -> Path:
        return self.root / "reports" / "training.csv"

    @property
    def samples(self) -> Path:
        return self.root / "reports" / "samples"

    @property
    def train_metrics(self) -> Path:
        return self.root / "metrics" / "train.json"

    @property
    def evaluation_metrics(self) -> Path:
        return self.root / "metrics" / "evaluation.json"

    @property
    def evaluation_report(self) -> Path:
        return self.root / "reports" / "evaluation.html"

    @property
    def exported(self) -> Path:
        """Folder: generator.onnx, signature.json, model_card.md, triton/ (a model repository for Triton)."""
        return self.root / "exported"

    @property
    def generator(self) -> Path:
        return self.exported / "generator.onnx"

    @property
    def features(self) -> Path:
        """Written by `ganline features`; not an output of the graph."""
        return self.exported / "features.onnx"

    @property
    def directions(self) -> Path:
        """Written by `ganline directions`; not an output of the graph."""
        return self.exported / "directions.json"

    @property
    def directions_picture(self) -> Path:
        """Written by `ganline directions`; not an output of the graph."""
        return self.root / "reports" / "directions.png"

    @property
    def projection_picture(self) -> Path:
        """Written by `ganline project`; not an output of the graph."""
        return self.root / "reports" / "projection.png"

    @property
    def features_metrics(self) -> Path:
        return self.root / "metrics" / "features.json"

    @property
    def export_metrics(self) -> Path:
        return self.root / "metrics" / "export.json"

    @property
    def promotion(self) -> Path:
        """The last verdict of `ganline promote`; not an output of the graph."""
        return self.root / "metrics" / "promotion.json"

    @property
    def promotion_page(self) -> Path:
        """Written by `ganline promote` if there is a champion to compare with; not an output of the graph."""
        return self.root / "reports" / "promotion.html"

    @property
    def human_page(self) -> Path:
        """Written by `ganline human`; not an output of the graph."""
        return self.root / "reports" / "human.html"

    @property
    def human_metrics(self) -> Path:
        """Written by `ganline human --result`; not an output of the graph."""
        return self.root / "metrics" / "human.json"

    @property
    def tune_page(self) -> Path:
        """Written by `ganline tune`; not an output of the graph."""
        return self.root / "reports" / "tune.html"

    @property
    def tune_metrics(self) -> Path:
        """Written by `ganline tune`; not an output of the graph."""
        return self.root / "metrics" / "tune.json"

    @property
    def references(self) -> Path:
        """Folder of the files that `ganline reference` writes; not an output of the graph."""
        return self.root / "references"

    @property
    def dvc_lock(self) -> Path:
        return self.root / "dvc.lock"

    @property
    def signature(self) -> Path:
        return self.exported / "signature.json"

    @property
    def model_card(self) -> Path:
        return self.exported / "model_card.md"

    @property
    def work(self) -> Path:
        """Folder of checkpoints and caches; not an output of the graph."""
        return self.root / ".ganline"

    @property
    def train_lock(self) -> Path:
        return self.work / "train.lock"

    @property
    def checkpoints(self) -> Path:
        return self.work / "checkpoints"

    @property
    def tune_checkpoints(self) -> Path:
        """Folder of the trainings of a search that did not end yet."""
        return self.work / "tune"

    @property
    def tune_storage(self) -> Path:
        """Database of the searches, unless GANLINE_TUNE_STORAGE names another one."""
        return self.work / "tune.db"

    @property
    def tune_lock(self) -> Path:
        return self.work / "tune.lock"

    @property
    def cache(self) -> Path:
        return self.work / "cache"

    @property
    def promote_lock(self) -> Path:
        return self.work / "promote.lock"

    @property
    def drift(self) -> Path:
        return self.work / "drift.json"

    @property
    def evaluations(self) -> Path:
        """Cached evaluations of exported models, by file and protocol."""
        return self.cache / "evaluations"

    @property
    def extractors(self) -> Path:
        """Exported feature extractors, named after their weights."""
        return self.work / "extractors"
