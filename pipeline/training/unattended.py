"""Unattended training: respond to symptoms by rolling back, within the configured number of images.

A rollback restores the weights, averages and optimizers of the last healthy check. If none was healthy, it restores
those of the best check; without one it initialises new weights. Training then continues with safer settings.

Image count, schedules, data position and random state are not rolled back. The same failure therefore does not repeat,
and training never takes longer than configured. After the last rollback, a symptom ends the training.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import closing

from pipeline import processes
from pipeline.training import checkpoint
from pipeline.training.health import Unhealthy
from pipeline.training.loop import Trainer

TrainerFactory = Callable[[Sequence[str]], tuple[Trainer, list[str]]]
"""Symptoms so far -> a trainer with the settings that respond to them, and the last change in words; see `response`."""

ROLLED_BACK = ("gan", "ema", "optimizers")
"""Parts of a trainer's state that a rollback restores."""


def start_or_resume(factory: TrainerFactory, saved: checkpoint.State | None) -> Trainer:
    """Return a trainer in the state `saved` and with its settings, or a new one if `saved` is None."""
    trainer, _ = factory(json.loads(saved["meta"]["symptoms"]) if saved else [])
    if saved:
        trainer.restore(saved)
    else:
        trainer.meta |= {"symptoms": "[]", "stopped_by": ""}
    return trainer


def run(trainer: Trainer, factory: TrainerFactory) -> Trainer:
    """Train to the end with all responses; return the trainer that finished.

    Raises:
        Stopped: Training was asked to stop.
        Unhealthy: No checkpoint is good enough to be delivered.
    """
    while not trainer.meta["stopped_by"]:
        try:
            with closing(trainer.graphs):  # a rollback records those of another trainer
                trainer.run()
            break
        except Unhealthy as error:
            trainer = handle(trainer, error, factory)
    failure = trainer.health.find_failure()
    if failure is not None:
        raise Unhealthy(failure, trainer.images_seen, trainer.gan.advice)
    return trainer


def handle(trainer: Trainer, error: Unhealthy, factory: TrainerFactory) -> Trainer:
    """Roll back, or end the training if no rollback is left.

    Raises:
        Unhealthy: No rollback is left, and there is no best checkpoint.
    """
    settings, health = trainer.settings.health, trainer.health
    symptoms = json.loads(trainer.meta["symptoms"])
    if settings.response == "rollback" and len(symptoms) < settings.rollbacks:
        return roll_back(trainer, error, [*symptoms, error.symptom.name], factory)
    if health.best < 0:
        raise error
    health.record_event(position(trainer), error.symptom, f"stopped, best checkpoint at {health.best:,} images")
    trainer.observer.on_warning(str(health.events[-1]))
    trainer.meta["stopped_by"] = error.symptom.name
    trainer.save()
    trainer.writer.wait()
    return trainer


def roll_back(trainer: Trainer, error: Unhealthy, symptoms: list[str], factory: TrainerFactory) -> Trainer:
    """Return a trainer with safer settings that continues from the last healthy checkpoint."""
    safer, changes = factory(symptoms)
    healthy = processes.from_first(
        lambda: checkpoint.read_marked(trainer.folder, "last_healthy") or checkpoint.read_marked(trainer.folder, "best")
    )
    weights = healthy or safer.state()
    safer.restore({**trainer.state(), **{name: weights[name] for name in ROLLED_BACK}})
    safer.term_means.reset()
    safer.meta["symptoms"] = json.dumps(symptoms)
    source = f"the checkpoint at {healthy['images_seen']:,} images" if healthy else "new weights"
    safer.health.record_event(
        position(trainer), error.symptom, f"rolled back to {source}, with {' and '.join(changes)}"
    )
    safer.health.reset_after_rollback(trainer.images_seen)
    safer.observer.on_warning(str(safer.health.events[-1]))
    safer.save()
    return safer


def position(trainer: Trainer) -> dict[str, float]:
    """Return the step and the images seen, for an event."""
    return {"step": trainer.step, "images": trainer.images_seen}
