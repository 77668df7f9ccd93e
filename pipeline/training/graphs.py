"""Replay the backward pass of a phase as a CUDA graph, if it is the same operations in every run.

A phase first runs WARM_UP times as usual. Its operations are logged; if two logs differ only in what a replay can
change, the next run is recorded. The first replay is compared with an ordinary run on the same batch. From then on a
run copies the batch into the recording's memory and launches the recording. Batches, optimizers and everything else of
a step stay outside of it, so the weights are those of a training without graphs.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.gans.base import GAN, Batch, Phase, Progress
from pipeline.training import cuda_graphs
from pipeline.training.cuda_graphs import CudaRecorder, Recorder
from pipeline.training.gradient_accumulation import GradientAccumulator, gradients
from pipeline.training.operation_log import OperationLog, difference
from pipeline.training.protocols import Observer
from pipeline.training.recorded_phase import PhaseState, Recording, Terms, Validity
from pipeline.training.watched_progress import ScheduledTensors, WatchedProgress

WARM_UP = 3
"""Ordinary runs before a recording; the first one may allocate what later ones use."""

TOLERANCE = 0.01
"""Relative difference between a replay and an ordinary run that is put down to the order of additions on the device.
A recording with a wrong batch or a missing update differs by about 1."""

Optimizers = Sequence[torch.optim.Optimizer]


class PhaseGraphs:
    """Differentiates the losses of phases, by replays where that is possible.

    Args:
        accumulator: Differentiates losses as usual.
        rng: Random generator of the training.
        setting: `train.graphs`; on raises an error if no phase can be recorded.
        observer: Gets a line that says which phases are recorded, and why others are not.

    Attributes:
        recorder: Records operations; None differentiates as usual.

    Raises:
        InputError: The setting is on, and there is no CUDA device, or no phase of the variant can be recorded.
    """

    def __init__(
        self,
        accumulator: GradientAccumulator,
        rng: torch.Generator,
        setting: Literal["auto", "on", "off"],
        observer: Observer,
    ) -> None:
        self.accumulator, self.gan, self.device, self.rng = accumulator, accumulator.gan, accumulator.device, rng
        self.required, self.observer = setting == "on", observer
        self.scheduled = ScheduledTensors(self.device)
        self.states: dict[int, PhaseState] = {}
        self.step, self.news, self.reported = 0, False, ""
        self.recorder: Recorder | None = None
        if setting == "off":
            return
        if not cuda_graphs.is_available(self.device):
            if self.required:
                raise InputError("train.graphs is on and needs a CUDA device. Set it to auto, or train.device to cuda")
        elif obstacle := find_obstacle(self.gan):
            self.report(f"CUDA graphs: none, because {obstacle}", captured=False)
        else:
            self.recorder = CudaRecorder(self.device, rng)

    def backward(self, phase: Phase, batch: Batch, progress: Progress, optimizers: Optimizers) -> Terms:
        """Store the gradients of a phase's loss in the parameters; return the loss's terms for each micro-batch.

        Processes exchange their gradients after a replay, so each of them may decide for itself what it records.

        Raises:
            torch.OutOfMemoryError: As `GradientAccumulator.backward`.
            InputError: `required`, and no phase can be recorded.
        """
        terms = self.differentiate(phase, self.accumulator.take_own(batch), progress, optimizers)
        self.accumulator.average(optimizers)
        return terms

    def differentiate(self, phase: Phase, batch: Batch, progress: Progress, optimizers: Optimizers) -> Terms:
        """Store the gradients of this process's part of a batch, by a replay if that is possible."""
        if self.recorder is None:
            return self.run(phase, batch, progress, optimizers)
        if progress.step != self.step:
            self.step = progress.step
            self.report_decisions()
        state = self.states.setdefault(id(phase), PhaseState(phase.name))
        if state.reason is not None:
            return self.run(phase, batch, progress, optimizers)
        if not state.hold(batch):
            self.refuse(state, "the shape of its batches changes")
            return self.run(phase, batch, progress, optimizers)
        self.scheduled.refresh(progress)
        recording = state.find(progress, self.accumulator.micro_batch)
        if recording is None:
            return self.warm_up(self.recorder, state, phase, progress, optimizers)
        if not recording.verified:
            return self.verify(state, recording, phase, progress, optimizers)
        return recording.run()

    def run(self, phase: Phase, batch: Batch, progress: Progress, optimizers: Optimizers) -> Terms:
        """Run as usual; if memory runs out, first without the memory of recordings."""
        return self.accumulator.backward(phase.loss, batch, progress, self.rng, optimizers, self.release)

    def warm_up(
        self, recorder: Recorder, state: PhaseState, phase: Phase, progress: Progress, optimizers: Optimizers
    ) -> Terms:
        """Run as usual and log the operations; record after the last such run."""
        watched, log = WatchedProgress(progress, self.scheduled), OperationLog(self.device)
        with recorder.aside(), log:
            terms = self.run(phase, state.batch, watched, optimizers)
        if self.recorder is None:  # memory ran out
            return terms
        key = frozenset(watched.answers), self.accumulator.micro_batch
        logs = state.logs.setdefault(key, [])
        logs.append(log)
        if watched.reads:
            self.refuse(state, f"its loss reads progress.{', '.join(sorted(watched.reads))}")
        elif len(logs) > 1 and (log.obstacle or (len(logs) == WARM_UP and difference(*logs[-2:]))):
            self.refuse(state, log.obstacle or difference(*logs[-2:]))
        elif len(logs) == WARM_UP:
            del state.logs[key]
            self.record(recorder, state, key, phase, progress, optimizers)
        return terms

    def record(
        self,
        recorder: Recorder,
        state: PhaseState,
        key: Validity,
        phase: Phase,
        progress: Progress,
        optimizers: Optimizers,
    ) -> None:
        """Record the backward pass, which changes nothing else."""
        parameters = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
        before, terms = [parameter.grad for parameter in parameters], Terms()
        watched = WatchedProgress(progress, self.scheduled)
        for parameter in parameters:
            parameter.grad = None

        def run() -> None:
            terms.extend(self.accumulator.accumulate(phase.loss, state.batch, watched, self.rng))

        try:
            replay = recorder.record(run)
            written = [(parameter, parameter.grad) for parameter in parameters]
            state.recordings.append(Recording(key, replay, written, terms))
        except torch.OutOfMemoryError:
            self.release()
        except RuntimeError as error:
            reason = f"phase {state.name} could not be captured ({str(error).splitlines()[0]})"
            self.close()
            if self.required:
                raise InputError(f"train.graphs is on, and {reason}. Set it to auto or off") from None
            self.observer.on_warning(f"{reason}: continuing without CUDA graphs")
        finally:
            for parameter, gradient in zip(parameters, before, strict=True):
                parameter.grad = gradient

    def verify(
        self, state: PhaseState, recording: Recording, phase: Phase, progress: Progress, optimizers: Optimizers
    ) -> Terms:
        """Replay, undo that, and run as usual; keep the recording only if both give the same."""
        undo = self.accumulator.remember(self.rng)
        recording.run()
        replayed = [*self.results(optimizers, recording.terms)]
        undo()
        terms = self.run(phase, state.batch, progress, optimizers)
        if agree(replayed, self.results(optimizers, terms), exact=is_exact(self.device)):
            recording.verified = self.news = True
        else:
            self.refuse(state, "a replay and an ordinary run differ")
        return terms

    def results(self, optimizers: Optimizers, terms: Terms) -> list[Tensor]:
        """Return all that a backward pass writes: gradients, averages, terms, counters and the random state."""
        buffers, curves = [*self.gan.buffers()], [value for part in terms for value in part.values()]
        groups = [gradients(optimizers), [buffer for buffer in buffers if buffer.is_floating_point()], curves]
        flat = [torch.cat([value.detach().flatten() for value in group]) for group in groups if group]
        counters = [buffer.clone() for buffer in buffers if not buffer.is_floating_point()]
        return [*flat, *counters, self.rng.get_state()]

    def refuse(self, state: PhaseState, reason: str) -> None:
        """Run a phase as usual from here on. Its recordings stay until all are released."""
        state.reason, self.news = reason, True
        state.logs.clear()

    def report_decisions(self) -> None:
        """Report which phases are recorded and why others are not, once that is known of all that have run."""
        states = self.states.values()
        if not self.news or not all(state.decided for state in states):
            return
        self.news = False
        captured = ", ".join(state.name for state in states if state.reason is None)
        refused = "; ".join(f"{state.name} ({state.reason})" for state in states if state.reason is not None)
        parts = [f"captured {captured}"] * bool(captured) + [f"not captured {refused}"] * bool(refused)
        self.report(f"CUDA graphs: {'; '.join(parts)}", captured=bool(captured))

    def report(self, line: str, *, captured: bool) -> None:
        """Pass a line on. Raise InputError if there must be a recording and is none."""
        if self.required and not captured:
            raise InputError(f"train.graphs is on, and no phase can be captured. {line}. Set it to auto")
        if line != self.reported:
            self.reported = line
            self.observer.on_note(line)

    def release(self) -> bool:
        """Run all phases as usual from here on, and free the recordings' memory; return whether there was any."""
        held = any(state.recordings or state.batch for state in self.states.values())
        if self.recorder is not None and held:
            self.observer.on_warning(
                "out of GPU memory: continuing without CUDA graphs, which need memory of their own"
            )
        self.close()
        return held

    def close(self) -> None:
        """Free the memory of all recordings, which must not outlive each other."""
        self.recorder = None
        if self.device.type == "cuda" and self.states:
            torch.cuda.synchronize(self.device)
        self.states.clear()


def find_obstacle(gan: GAN) -> str:
    """Return why no phase of a variant can be recorded; empty if there is no general reason."""
    if any(type(module).get_extra_state is not nn.Module.get_extra_state for module in gan.modules()):
        return "the variant keeps a state on the host"
    return ""


def is_exact(device: torch.device) -> bool:
    """Return whether a device computes the same bits in every run."""
    return device.type == "cpu" or torch.are_deterministic_algorithms_enabled()


def agree(found: list[Tensor], expected: list[Tensor], *, exact: bool) -> bool:
    """Return whether two lists of results are the same, up to the order of additions if not `exact`."""
    if [values.shape for values in found] != [values.shape for values in expected]:
        return False
    return all(
        torch.equal(a, b)
        if exact or not a.is_floating_point()
        else float((a - b).norm()) <= TOLERANCE * float(b.norm())
        for a, b in zip(found, expected, strict=True)
    )
