"""`train.deterministic`: no variant uses an operation that CUDA refuses then."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.errors import TrainingFailed
from pipeline.training.determinism import deterministic_algorithms
from tests.observer import Watcher
from tests.pretended_cuda import GPU, pretend
from tests.training.small_trainings import MODELS, build_trainer
from tests.training.test_on_cuda import run_steps

REFUSED = (
    "reflection_pad1d_backward",
    "reflection_pad2d_backward",
    "reflection_pad3d_backward",
    "_adaptive_avg_pool2d_backward",
    "_adaptive_avg_pool3d_backward",
    "adaptive_max_pool2d_backward",
    "avg_pool3d_backward",
    "upsample_linear1d_backward",
    "upsample_bilinear2d_backward",
    "upsample_bicubic2d_backward",
    "upsample_trilinear3d_backward",
    "grid_sampler_2d_backward",
    "nll_loss2d_forward",
    "max_unpool2d",
    "histc",
    "put_",
)
"""Operations of the documentation of `torch.use_deterministic_algorithms` that CUDA refuses, as torch names them."""

PADDED = ("cyclegan", "drit", "hifigan")
"""Models with reflection padding or adaptive pooling."""


@pytest.fixture(autouse=True)
def keep_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def refused_operations(folder: Path, model: str, *, wanted: bool) -> list[str]:
    """Return the operations of a step with all phases that CUDA refuses."""
    with deterministic_algorithms(wanted), pretend() as gpu:
        trainer = build_trainer(MODELS[model], folder, Watcher(), device=GPU)
        run_steps(trainer, 0, 0.5)
        return [name for name in gpu.kernels if name.startswith(REFUSED)]


@pytest.mark.parametrize(
    "model",
    [pytest.param(name, marks=[] if name in PADDED else [pytest.mark.slow]) for name in MODELS],
)
def test_no_variant_needs_an_operation_that_cuda_refuses(tmp_path: Path, model: str) -> None:
    assert refused_operations(tmp_path, model, wanted=True) == []


def test_without_the_option_they_are_used(tmp_path: Path) -> None:
    """So the test above can fail."""
    assert refused_operations(tmp_path, "cyclegan", wanted=False) == ["reflection_pad2d_backward.default"]


def test_the_context_sets_and_restores_the_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    with deterministic_algorithms(False):
        assert not torch.are_deterministic_algorithms_enabled()
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    memory: Any = torch.utils.deterministic
    with deterministic_algorithms(True):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert not memory.fill_uninitialized_memory
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert not torch.are_deterministic_algorithms_enabled()
    assert memory.fill_uninitialized_memory
    with pytest.raises(RuntimeError, match="another error"), deterministic_algorithms(True):
        raise RuntimeError("another error")
    assert not torch.are_deterministic_algorithms_enabled()


def test_an_operation_that_torch_refuses_is_named() -> None:
    """torch's own refusal: it has no deterministic `put_`, on CPUs neither."""
    x = torch.zeros(3)
    message = r"train.deterministic is true, and put_ does not have a deterministic implementation .* Set it to false"
    with pytest.raises(TrainingFailed, match=message), deterministic_algorithms(True):
        x.put_(torch.tensor([0]), torch.tensor([1.0]))


def test_the_option_leaves_the_bits_of_a_cpu(tmp_path: Path) -> None:
    states = []
    for wanted in (False, True):
        with deterministic_algorithms(wanted):
            trainer = build_trainer(MODELS["dcgan residual"], tmp_path / str(wanted), Watcher(), 48)
            trainer.run()
            states.append(trainer.gan.state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
