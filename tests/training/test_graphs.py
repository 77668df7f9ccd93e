"""CUDA graphs: a replay computes what an ordinary run computes, and what cannot be replayed is found and named."""

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.gans.base import Batch, Loss, LossFunction, Progress
from pipeline.settings import Ramp
from pipeline.training import checkpoint
from pipeline.training.cuda_graphs import CudaRecorder, Replay
from pipeline.training.loop import Stopped, Trainer
from tests.observer import Watcher
from tests.training.small_trainings import MODELS, build_trainer
from tests.training.tape import TapeRecorder

FAST = ("dcgan", "srgan", "vanilla")
REPLAYED = [name for name in MODELS if not name.startswith("mdgan")]


def with_tape(model: str, folder: Path, watcher: Watcher, total: int = 384, **more: Any) -> Trainer:
    trainer = build_trainer(MODELS[model], folder, watcher, total, **more)
    trainer.graphs.recorder = TapeRecorder(trainer)
    return trainer


def results(trainer: Trainer) -> dict[str, Tensor]:
    """Return weights, averages and the state of the optimizers and of the random numbers."""
    values = {"rng": trainer.rng.get_state(), **trainer.gan.state_dict()}
    values |= {f"ema {a} {b}": value for a, state in trainer.ema.state().items() for b, value in state.items()}
    for name, optimizer in trainer.optimizers.items():
        states = optimizer.state_dict()["state"]
        values |= {f"adam {name} {a} {b}": value for a, state in states.items() for b, value in state.items()}
    return values


def require_same(found: Trainer, expected: Trainer) -> None:
    a, b = results(found), results(expected)
    assert a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []
    curves = [[{k: v for k, v in row.items() if "second" not in k} for row in one.history] for one in (found, expected)]
    assert curves[0] == curves[1]


@pytest.mark.parametrize(
    "model", [pytest.param(name, marks=[] if name in FAST else [pytest.mark.slow]) for name in REPLAYED]
)
def test_replays_and_ordinary_runs_give_the_same_bits_also_after_a_resume(tmp_path: Path, model: str) -> None:
    """The first half is recorded, the second half resumes on another recording; all phases, thresholds, schedules."""
    whole = build_trainer(MODELS[model], tmp_path / "whole", Watcher())
    whole.run()
    with suppress(Stopped):
        with_tape(model, tmp_path / "half", Watcher(208)).run()
    state, _ = checkpoint.load_latest(tmp_path / "half")
    assert state is not None
    assert state["images_seen"] == 208
    resumed = with_tape(model, tmp_path / "half", watcher := Watcher())
    resumed.restore(state)
    resumed.run()
    require_same(resumed, whole)
    assert isinstance(resumed.graphs.recorder, TapeRecorder)
    assert resumed.graphs.recorder.replays >= 2, watcher.notes
    assert watcher.warnings == []


@pytest.mark.parametrize("records", [True, False])
def test_a_training_may_switch_graphs_on_or_off_when_it_resumes(tmp_path: Path, records: bool) -> None:
    whole = build_trainer(MODELS["dcgan"], tmp_path / "whole", Watcher(), 192)
    whole.run()
    first = build_trainer(MODELS["dcgan"], tmp_path / "half", Watcher(96), 192)
    if records:
        first.graphs.recorder = TapeRecorder(first)
    with suppress(Stopped):
        first.run()
    state, _ = checkpoint.load_latest(tmp_path / "half")
    assert state is not None
    second = build_trainer(MODELS["dcgan"], tmp_path / "half", Watcher(), 192)
    if not records:
        second.graphs.recorder = TapeRecorder(second)
    second.restore(state)
    second.run()
    require_same(second, whole)


def test_micro_batches_are_recorded_together(tmp_path: Path) -> None:
    whole = build_trainer(MODELS["dcgan relativistic"], tmp_path / "a", Watcher(), 160, micro_batch=4)
    recorded = with_tape("dcgan relativistic", tmp_path / "b", watcher := Watcher(), 160, micro_batch=4)
    whole.run()
    recorded.run()
    require_same(recorded, whole)
    assert watcher.notes == ["CUDA graphs: captured discriminator, generator"]


def plant(trainer: Trainer, mistake: Callable[[Loss, Batch, Progress], Tensor]) -> None:
    """Let the losses of the discriminator's updates make a mistake."""

    def spoil(loss: LossFunction) -> LossFunction:
        def spoiled(batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
            result = loss(batch, progress, rng)
            return Loss(result.total + mistake(result, batch, progress) * 0, result.terms)

        return spoiled

    changed = {id(one): replace(one, loss=spoil(one.loss)) for one in trainer.phases if one.name == "discriminator"}
    trainer.phases = [changed.get(id(one), one) for one in trainer.phases]


class Memory:
    """State of the host."""

    def __init__(self) -> None:
        self.count, self.last = 0, torch.zeros(())

    def count_up(self, loss: Loss, batch: Batch, progress: Progress) -> Tensor:
        self.count += 1
        return loss.total.detach() * self.count

    def alternate(self, loss: Loss, batch: Batch, progress: Progress) -> Tensor:
        self.count += 1
        value = loss.total.detach()
        return value.exp() if self.count % 2 else value.cos()

    def remember(self, loss: Loss, batch: Batch, progress: Progress) -> Tensor:
        before, self.last = self.last, loss.total.detach().clone()
        return before + 1


@pytest.mark.parametrize(
    ("mistake", "reason"),
    [
        (lambda loss, batch, progress: loss.total.detach() * progress.fraction, "its loss reads progress.fraction"),
        (lambda loss, batch, progress: loss.total.detach() * progress.step, "its loss reads progress.step"),
        (Memory().count_up, "a number on the host changes from run to run: mul"),
        (Memory().alternate, "its operations change from run to run: "),
        (Memory().remember, "it uses a tensor that is not part of the model: add"),
    ],
)
def test_mistakes_are_named_and_change_nothing(tmp_path: Path, mistake: Any, reason: str) -> None:
    trainer = with_tape("vanilla clipped", tmp_path, watcher := Watcher(), 96)
    plant(trainer, mistake)
    trainer.run()
    (note,) = watcher.notes
    assert note.startswith(f"CUDA graphs: captured generator; not captured discriminator ({reason}")
    whole = build_trainer(MODELS["vanilla clipped"], tmp_path / "whole", Watcher(), 96)
    whole.run()
    require_same(trainer, whole)


def test_a_schedule_is_followed_by_a_recording(tmp_path: Path) -> None:
    """A weight with a schedule is a tensor that is refreshed, so the recorded loss follows it."""
    schedule, seen = Ramp(start=1.0, end=0.0), list[Tensor]()
    trainer = with_tape("vanilla clipped", tmp_path, watcher := Watcher(), 160)

    def watch(loss: Loss, batch: Batch, progress: Progress) -> Tensor:
        value = torch.as_tensor(progress.weight(schedule)) * torch.ones(1)
        loss.terms["weight"] = value  # type: ignore[index]
        return value.sum()

    plant(trainer, watch)
    update = trainer.term_means.add
    trainer.term_means.add = lambda terms: (seen.append(terms[0]["weight"]), update(terms))  # type: ignore
    for _ in range(8):
        trainer.update(trainer.phases[0], measure=False)
        assert float(seen[-1]) == pytest.approx(schedule.at(trainer.fraction), abs=1e-7)
        trainer.images_seen += 16
        trainer.step += 1
    assert watcher.notes == ["CUDA graphs: captured discriminator"]


class Wrong(TapeRecorder):
    """Records, and replays something else."""

    def record(self, run: Callable[[], None]) -> Replay:
        super().record(run)
        return lambda: None


class Full(TapeRecorder):
    """Has no memory for a recording."""

    def record(self, run: Callable[[], None]) -> Replay:
        raise torch.OutOfMemoryError("CUDA out of memory")


class Failing(TapeRecorder):
    """Cannot record."""

    def record(self, run: Callable[[], None]) -> Replay:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")


@pytest.mark.parametrize(
    ("recorder", "notes", "warnings"),
    [
        (Wrong, ["CUDA graphs: not captured discriminator (a replay and an ordinary run differ); generator (a"], []),
        (Full, [], ["out of GPU memory: continuing without CUDA graphs, which need memory of their own"]),
        (
            Failing,
            [],
            [
                "phase discriminator could not be captured (operation not permitted when stream is capturing): "
                "continuing without CUDA graphs"
            ],
        ),
    ],
)
def test_a_recording_that_fails_changes_nothing(tmp_path: Path, recorder: Any, notes: Any, warnings: Any) -> None:
    trainer = build_trainer(MODELS["vanilla clipped"], tmp_path / "a", watcher := Watcher(), 112)
    trainer.graphs.recorder = recorder(trainer)
    trainer.run()
    whole = build_trainer(MODELS["vanilla clipped"], tmp_path / "whole", Watcher(), 112)
    whole.run()
    require_same(trainer, whole)
    assert [note[: len(start)] for note, start in zip(watcher.notes, notes, strict=True)] == notes
    assert watcher.warnings == warnings
    refused = [state for state in trainer.graphs.states.values() if state.reason]
    assert all(state.recordings for state in refused), "a graph must not be freed while another one is replayed"


def test_graphs_on_fails_if_a_capture_fails(tmp_path: Path) -> None:
    trainer = build_trainer(MODELS["vanilla clipped"], tmp_path, Watcher())
    trainer.graphs.recorder, trainer.graphs.required = Failing(trainer), True
    with pytest.raises(InputError, match=r"train.graphs is on, and phase discriminator could not be captured"):
        trainer.run()


def test_memory_of_recordings_is_given_up_before_the_micro_batch_is_halved(tmp_path: Path) -> None:
    trainer = with_tape("vanilla clipped", tmp_path, watcher := Watcher(), 384)
    phase = trainer.phases[0]
    for _ in range(5):
        trainer.update(phase, measure=False)
    failures = [torch.OutOfMemoryError("CUDA out of memory")] * 2

    def fail_twice(batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        if failures:
            raise failures.pop()
        return phase.loss(batch, progress, rng)

    trainer.update(replace(phase, loss=fail_twice), measure=False)
    assert trainer.graphs.recorder is None
    assert trainer.accumulator.micro_batch == 8
    assert [warning.partition(":")[2][:20] for warning in watcher.warnings] == [
        " continuing without ",
        " continuing with tra",
    ]


def test_batches_of_another_shape_are_not_replayed(tmp_path: Path) -> None:
    trainer = with_tape("vanilla clipped", tmp_path, watcher := Watcher())
    phase, sizes = trainer.phases[0], iter((16, 16, 16, 16, 16, 8, 16))
    draw = trainer.step_batches.batches.next
    trainer.step_batches.batches.next = lambda n: draw(next(sizes))  # type: ignore[method-assign]
    trainer.accumulator.micro_batch = trainer.accumulator.own = 8
    for _ in range(7):
        trainer.update(phase, measure=False)
        trainer.step += 1
    assert watcher.notes[-1] == "CUDA graphs: not captured discriminator (the shape of its batches changes)"


def test_graphs_on_needs_a_cuda_device(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train.graphs is on and needs a CUDA device. Set it to auto"):
        build_trainer(MODELS["vanilla"], tmp_path, Watcher(), graphs="on")


def test_graphs_on_fails_if_no_phase_can_be_captured(tmp_path: Path) -> None:
    trainer = with_tape("vanilla clipped", tmp_path, Watcher())
    trainer.graphs.required = True
    trainer.phases = [one for one in trainer.phases if one.name == "discriminator"]
    plant(trainer, Memory().count_up)
    with pytest.raises(InputError, match=r"train.graphs is on, and no phase can be captured. CUDA graphs: not"):
        trainer.run()


def test_a_general_obstacle_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, reason = build_trainer(MODELS["mdgan"], tmp_path, Watcher()), "the variant keeps a state on the host"
    monkeypatch.setattr("pipeline.training.cuda_graphs.is_available", lambda device: True)
    graphs: Any = type(trainer.graphs)
    made = graphs(trainer.accumulator, trainer.rng, "auto", watcher := Watcher())
    assert made.recorder is None
    assert watcher.notes == [f"CUDA graphs: none, because {reason}"]
    with pytest.raises(InputError, match=f"no phase can be captured. CUDA graphs: none, because {reason}"):
        graphs(trainer.accumulator, trainer.rng, "on", Watcher())


def test_captures_share_a_stream_and_ignore_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a thread that pins a batch would break a capture, and graphs would not share cuBLAS's workspace."""
    captures = []

    @contextmanager
    def capture(graph: object, **options: object) -> Iterator[None]:
        captures.append(options)
        yield

    streams = iter("ab")
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: next(streams))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: SimpleNamespace(device_index=0))
    monkeypatch.setattr(torch.cuda, "default_generators", [torch.Generator()])
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(register_generator_state=id, replay=None))
    monkeypatch.setattr(torch.cuda, "graph", capture)
    recorder = CudaRecorder(torch.device("cuda"), torch.Generator())
    for _ in range(2):
        recorder.record(lambda: None)
    assert captures == [{"stream": "a", "capture_error_mode": "thread_local"}] * 2


def test_a_trainer_is_freed_at_once(tmp_path: Path) -> None:
    """A rollback builds another trainer; the memory of two would not fit."""
    trainer = with_tape("vanilla clipped", tmp_path, Watcher(), 96)
    trainer.run()
    trainer.graphs.close()
    weights = weakref.ref(trainer.gan)
    gc.disable()
    try:
        del trainer
        assert weights() is None
    finally:
        gc.enable()


def test_closing_frees_all_recordings(tmp_path: Path) -> None:
    trainer = with_tape("vanilla clipped", tmp_path, Watcher(), 96)
    trainer.run()
    assert trainer.graphs.states
    trainer.graphs.close()
    assert not trainer.graphs.states
    assert trainer.graphs.recorder is None
