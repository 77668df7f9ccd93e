"""On a real GPU: a training with CUDA graphs gives the bits of one without, also if it resumes in the middle."""

from contextlib import suppress
from pathlib import Path

import pytest
import torch

from pipeline.training import checkpoint
from pipeline.training.determinism import deterministic_algorithms
from pipeline.training.loop import Stopped
from tests.observer import Watcher
from tests.training.small_trainings import MODELS, build_trainer
from tests.training.test_graphs import require_same

STEPS = 50
IMAGES = 16 * STEPS

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize("model", ["dcgan", "stylegan2", "r3gan", "srgan"])
def test_graphs_change_no_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    device = torch.device("cuda")
    with deterministic_algorithms(True):
        ordinary = build_trainer(MODELS[model], tmp_path / "off", Watcher(), IMAGES, device, graphs="off")
        ordinary.run()
        stopped = build_trainer(MODELS[model], tmp_path / "on", Watcher(IMAGES // 2), IMAGES, device, graphs="on")
        with suppress(Stopped):
            stopped.run()
        stopped.graphs.close()
        state, _ = checkpoint.load_latest(tmp_path / "on")
        assert state is not None
        resumed = build_trainer(MODELS[model], tmp_path / "on", watcher := Watcher(), IMAGES, device, graphs="on")
        resumed.restore(state)
        resumed.run()
        resumed.graphs.close()
    require_same(resumed, ordinary)
    assert "captured" in watcher.notes[0]
    assert watcher.warnings == []
