"""On a real GPU: a training with CUDA graphs gives the bits of one without, also if it resumes in the middle."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from pipeline.training import checkpoint
from pipeline.training.cuda_graphs import CudaRecorder, Replay
from pipeline.training.determinism import deterministic_algorithms
from pipeline.training.loop import Stopped
from tests.observer import Watcher
from tests.training.small_trainings import MODELS, build_trainer
from tests.training.test_graphs import require_same

STEPS = 50
IMAGES = 16 * STEPS

DEVICE = torch.device("cuda")

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture(autouse=True)
def keep_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@pytest.mark.parametrize("model", ["dcgan", "stylegan2", "r3gan", "srgan"])
def test_graphs_change_no_bit(tmp_path: Path, model: str) -> None:
    with deterministic_algorithms(True):
        ordinary = build_trainer(MODELS[model], tmp_path / "off", Watcher(), IMAGES, DEVICE, graphs="off")
        ordinary.run()
        stopped = build_trainer(MODELS[model], tmp_path / "on", Watcher(IMAGES // 2), IMAGES, DEVICE, graphs="on")
        with suppress(Stopped):
            stopped.run()
        stopped.graphs.close()
        state, _ = checkpoint.load_latest(tmp_path / "on")
        assert state is not None
        resumed = build_trainer(MODELS[model], tmp_path / "on", watcher := Watcher(), IMAGES, DEVICE, graphs="on")
        resumed.restore(state)
        resumed.run()
        resumed.graphs.close()
    require_same(resumed, ordinary)
    assert "captured" in watcher.notes[0]
    assert watcher.warnings == []


class Breaking(CudaRecorder):
    """Breaks its captures: the host may not wait in one."""

    def record(self, run: Callable[[], None]) -> Replay:
        def waiting() -> None:
            run()
            torch.cuda.synchronize()

        return super().record(waiting)


def test_training_continues_after_a_broken_capture(tmp_path: Path) -> None:
    with deterministic_algorithms(True):
        ordinary = build_trainer(MODELS["dcgan"], tmp_path / "off", Watcher(), 160, DEVICE, graphs="off")
        ordinary.run()
        broken = build_trainer(MODELS["dcgan"], tmp_path / "on", watcher := Watcher(), 160, DEVICE)
        broken.graphs.recorder = Breaking(DEVICE, broken.rng)
        broken.run()
    require_same(broken, ordinary)
    assert not broken.graphs.states
    assert [warning.startswith("phase discriminator could not be captured") for warning in watcher.warnings] == [True]
