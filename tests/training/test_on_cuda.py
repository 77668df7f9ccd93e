"""Every variant trains on a CUDA device that is pretended: no mixed devices, no wrong generator, no wait in a step."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline.gans.registry import VARIANTS
from pipeline.training import checkpoint
from pipeline.training.loop import Stopped, Trainer
from tests.observer import Watcher
from tests.pretended_cuda import GPU, PretendedGpu, pretend
from tests.training.small_trainings import MODELS, build_trainer

DRAWN = "data/transfer.py"
"""What the host draws, such as positions and flips, is copied to the device without a wait."""


def test_every_variant_has_a_model() -> None:
    assert {model["variant"] for model in MODELS.values()} == set(VARIANTS)


def run_steps(trainer: Trainer, *fractions: float) -> None:
    """Run a step with all phases, also rare ones, at these fractions of the schedule."""
    for fraction in fractions:
        trainer.images_seen = round(fraction * trainer.schedule_images)
        for phase in trainer.phases:
            if fraction >= phase.start:
                trainer.update(phase, measure=False)
        trainer.ema.update(1000, trainer.images_seen, trainer.settings.batch_size)


def unexpected(gpu: PretendedGpu) -> list[str]:
    """Return the lines that wait or copy although they need not."""
    copies = [line for line in gpu.copies if not line.startswith(DRAWN)]
    return [f"waits: {line}" for line in gpu.waits] + [f"copies: {line}" for line in copies]


@pytest.mark.parametrize("model", MODELS)
def test_no_step_waits_for_the_device(tmp_path: Path, model: str) -> None:
    with pretend() as gpu:
        trainer = build_trainer(MODELS[model], tmp_path, Watcher(), device=GPU)
        run_steps(trainer, 0, 0.5)  # makes the state of the optimizers
        gpu.clear()
        run_steps(trainer, 0, 0.5)
        assert unexpected(gpu) == [], gpu.report()


def weights(trainer: Trainer) -> dict[str, Tensor]:
    """Return the weights on the host."""
    return {name: value.detach().cpu().clone() for name, value in trainer.gan.state_dict().items()}


@pytest.mark.parametrize(
    "model",
    [pytest.param(name, marks=[] if name == "vanilla" else [pytest.mark.slow]) for name in MODELS],
)
def test_a_training_stops_and_resumes_on_the_device(tmp_path: Path, model: str) -> None:
    """Previews, rows, checkpoints and the random state of the device; the second half continues the first."""
    with pretend():
        whole = build_trainer(MODELS[model], tmp_path / "whole", Watcher(), 96, device=GPU)
        whole.run()
        with pytest.raises(Stopped):
            build_trainer(MODELS[model], tmp_path / "half", Watcher(48), 96, device=GPU).run()
        state, _ = checkpoint.load_latest(tmp_path / "half")
        assert state is not None
        torch.rand(3, device=GPU)  # the default generator of the device must not matter
        watcher = Watcher()
        resumed = build_trainer(MODELS[model], tmp_path / "half", watcher, 96, device=GPU)
        resumed.restore(state)
        resumed.run()
        expected, found = weights(whole), weights(resumed)
    assert watcher.warnings == []
    assert expected.keys() == found.keys()
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


def test_items_that_do_not_fit_change_nothing(tmp_path: Path) -> None:
    """A thread prepares the batches; also stopped and resumed, and resumed on a device with more memory."""
    model = MODELS["cgan"]
    with pretend():
        whole = build_trainer(model, tmp_path / "whole", Watcher(), 96, device=GPU)
        whole.run()
        expected = weights(whole)
    for free_bytes in (0, 2**30):
        folder = tmp_path / str(free_bytes)
        with pretend(free_bytes=0), pytest.raises(Stopped):
            build_trainer(model, folder, Watcher(48), 96, device=GPU).run()
        state, _ = checkpoint.load_latest(folder)
        assert state is not None
        with pretend(free_bytes=free_bytes):
            resumed = build_trainer(model, folder, Watcher(), 96, device=GPU)
            resumed.restore(state)
            resumed.run()
            found = weights(resumed)
        assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


def test_a_step_that_waits_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake planted in the loop is found, with its line."""
    with pretend() as gpu:
        trainer = build_trainer(MODELS["vanilla"], tmp_path, Watcher(), device=GPU)
        run_steps(trainer, 0)
        gpu.clear()
        update = trainer.ema.update
        monkeypatch.setattr(trainer.ema, "update", lambda *values: (update(*values), trainer.term_means.compute()))
        run_steps(trainer, 0)
        assert [line.split(":")[1] for line in unexpected(gpu)] == [" training/gradient_accumulation.py"]
