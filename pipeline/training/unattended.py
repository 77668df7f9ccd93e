"""Training that nobody watches: what its health shows is answered, within the images it was given, and the best model comes out.

A rollback puts back the weights, averages and optimizers of the last healthy look (of the best, where none was healthy yet; new
ones, where all was lost from the start) and goes on with calmer settings. The count of images, the schedules, the data and the
random numbers go on, so that the same mistake is not made again and a training never takes longer than it may. After the last
rollback it stops.
"""

import json
from collections.abc import Callable, Sequence

from pipeline.training import checkpoint
from pipeline.training.health import Unhealthy
from pipeline.training.loop import Trainer

Make = Callable[[Sequence[str]], tuple[Trainer, list[str]]]
"""Symptoms already treated -> a trainer with the settings that follow (`response.treat`), and what the last one changed, in words."""

WEIGHTS = ("gan", "average", "optimizers")


def start(make: Make, saved: checkpoint.State | None) -> Trainer:
    """A trainer as `saved` left it, with the settings it then had; a fresh one where there is nothing saved."""
    trainer, _ = make(json.loads(saved["meta"]["treated"]) if saved else [])
    if saved:
        trainer.restore(saved)
    else:
        trainer.meta |= {"treated": "[]", "ended": ""}
    return trainer


def run(trainer: Trainer, make: Make) -> Trainer:
    """Trains to the end, whatever happens on the way; returns the trainer that got there.

    Raises Stopped as `Trainer.run` does, and Unhealthy (with advice) where there is nothing to deliver (`Health.hopeless`).
    """
    while not trainer.meta["ended"]:
        try:
            trainer.run()
            break
        except Unhealthy as found:
            trainer = respond(trainer, found, make)
    hopeless = trainer.health.hopeless
    if hopeless is not None:
        raise Unhealthy(hopeless, trainer.images_seen, trainer.gan.advice)
    return trainer


def respond(trainer: Trainer, found: Unhealthy, make: Make) -> Trainer:
    """The trainer that goes on: rolled back and treated, or, where that is not wanted any more, this one, ended."""
    settings, health, where = (
        trainer.settings.health,
        trainer.health,
        {"step": trainer.step, "images": trainer.images_seen},
    )
    treated = json.loads(trainer.meta["treated"])
    if settings.response != "rollback" or len(treated) >= settings.rollbacks:
        if health.best < 0:
            raise found
        health.note(where, found.sign, f"stopped, with the model of {health.best:,} images as the best")
        trainer.observer.warned(str(health.events[-1]))
        trainer.meta["ended"] = found.sign.name
        trainer.save()
        return trainer
    treated.append(found.sign.name)
    calmer, words = make(treated)
    back = checkpoint.marked(trainer.folder, "well") or checkpoint.marked(trainer.folder, "best")
    weights = back or calmer.state()
    calmer.restore({**trainer.state(), **{name: weights[name] for name in WEIGHTS}, "sums": {}, "counts": {}})
    calmer.meta["treated"] = json.dumps(treated)
    source = f"the weights of {back['images_seen']:,} images" if back else "new weights"
    calmer.health.note(where, found.sign, f"rolled back to {source}, with {' and '.join(words)}")
    calmer.health.treated(trainer.images_seen)
    calmer.observer.warned(str(calmer.health.events[-1]))
    calmer.save()
    return calmer
