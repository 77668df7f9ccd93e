"""Run a whole line in a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from pipeline.stages import evaluate, export, ingest, train, validate


@contextmanager
def all_stages(root: Path) -> Iterator[None]:
    """Run all stages of a project. They, and the `with` block, have one thread and no MLflow server."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for stage in (ingest, validate, train, evaluate, export):
            stage.run(root)
        yield
    torch.set_num_threads(before)
