"""Which phases CUDA graphs can capture, on a pretended device: all but those that are named here with their reason."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline.gans.base import Batch, Loss, Progress
from pipeline.training.cuda_graphs import Replay
from pipeline.training.graphs import find_obstacle
from pipeline.training.loop import Trainer
from tests.observer import Watcher
from tests.pretended_cuda import GPU, pretend
from tests.training.small_trainings import MODELS, build_trainer

REASONS = {
    # Top-k training changes the number of samples.
    ("vanilla", "generator"): "its loss reads progress.fraction",
    ("r3gan", "generator"): "its loss reads progress.fraction",
}
FAST = ("vanilla", "dcgan", "srgan")
HOST_STATE = ("mdgan", "mdgan by class", "mdgan own")


class Admission:
    """Accepts a recording and makes none."""

    def aside(self) -> AbstractContextManager[None]:
        return nullcontext()

    def record(self, run: Callable[[], None]) -> Replay:
        return lambda: None


def decide(trainer: Trainer, *fractions: float) -> dict[str, str]:
    """Run each phase as often as it takes to decide; return why it cannot be captured, or an empty text."""
    trainer.graphs.recorder = Admission()
    for fraction in fractions:
        trainer.images_seen = round(fraction * trainer.schedule_images)
        for _ in range(3):
            trainer.step += 1
            trainer.images_seen += 16
            for phase in dict.fromkeys(phase for phase in trainer.phases if fraction >= phase.start):
                state = trainer.graphs.states.get(id(phase))
                if state is None or state.find(trainer.progress, trainer.accumulator.micro_batch) is None:
                    trainer.update(phase, measure=False)
    return {state.name: state.reason or "" for state in trainer.graphs.states.values()}


@pytest.mark.parametrize(
    "model",
    [pytest.param(name, marks=[] if name in FAST else [pytest.mark.slow]) for name in MODELS if name not in HOST_STATE],
)
def test_all_phases_can_be_captured_but_those_with_a_reason(tmp_path: Path, model: str) -> None:
    """Also after thresholds of the schedule; waits, copies and random numbers of the host would be found."""
    with pretend():
        trainer = build_trainer(MODELS[model], tmp_path, Watcher(), device=GPU)
        assert not find_obstacle(trainer.gan)
        reasons = decide(trainer, 0, 0.5)
    assert reasons == {phase.name: REASONS.get((model, phase.name), "") for phase in trainer.phases}


@pytest.mark.parametrize("model", HOST_STATE)
def test_variants_with_a_state_on_the_host_are_not_captured(tmp_path: Path, model: str) -> None:
    assert find_obstacle(build_trainer(MODELS[model], tmp_path, Watcher()).gan)


def wait(values: Tensor) -> Tensor:
    return values * float(values.sum())


def mask(values: Tensor) -> Tensor:
    return values[values > -1e9]


def copy_to_the_host(values: Tensor) -> Tensor:
    values.cpu()
    return values


def copy_to_the_device(values: Tensor) -> Tensor:
    return values + torch.ones(1).to(GPU)


def draw_on_the_host(values: Tensor) -> Tensor:
    torch.rand(1)
    return values


@pytest.mark.parametrize(
    ("mistake", "reason"),
    [
        (wait, "waits for the device: _local_scalar_dense"),
        (mask, "waits for the device: index by a mask"),
        (copy_to_the_host, "copies between host and device: _to_copy"),
        (copy_to_the_device, "it uses a tensor that is not part of the model: add"),
        (draw_on_the_host, "draws random numbers on the host: rand"),
    ],
)
def test_what_goes_through_the_host_is_found(tmp_path: Path, mistake: Callable[[Tensor], Tensor], reason: str) -> None:
    with pretend():
        trainer = build_trainer(MODELS["vanilla clipped"], tmp_path, Watcher(), device=GPU)
        phase = trainer.phases[0]

        def spoiled(batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
            loss = phase.loss(batch, progress, rng)
            return Loss(loss.total + 0 * mistake(loss.total.detach().view(1)).sum(), loss.terms)

        trainer.phases = [replace(phase, loss=spoiled)]
        assert decide(trainer, 0)["discriminator"].startswith(reason)
