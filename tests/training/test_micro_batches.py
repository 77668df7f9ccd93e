"""A batch in parts: the same gradient, and what happens when memory runs out."""

import weakref
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from pipeline.gans.base import Batch, Loss, LossFunction, Progress
from pipeline.gans.registry import ModelSettings, build
from pipeline.training import checkpoint
from pipeline.training.loop import Stopped, Trainer
from pipeline.training.micro_batches import halved, parts
from pipeline.training.settings import TrainSettings
from tests.observer import Watcher
from tests.specs import image_spec

CPU = torch.device("cpu")
SMALL = {"latent": 4, "generator_channels": 8, "discriminator_channels": 8, "max_channels": 8}
PLAIN: dict[str, dict[str, Any]] = {
    "vanilla": {
        "variant": "vanilla",
        "latent": 4,
        "hidden": [16],
        "dropout": 0,
        "penalties": {"r1": 1, "r2": 1},
        "stabilisers": {"packing": 2},
    },
    "lazy": {
        "variant": "vanilla",
        "latent": 4,
        "hidden": [16],
        "dropout": 0,
        "objective": "relativistic",
        "penalties": {"r1": 1, "r2": 1, "every": 2},
    },
    "r3gan": {"variant": "r3gan", **SMALL, "blocks": 1, "conditional": True},
}
"""Without what looks at a whole batch: batch normalisation, minibatch_std, top_k, running means."""


class Noise:
    """Endless random images and labels, of one seed; counts the draws."""

    def __init__(self) -> None:
        self.drawn = 0

    def next(self, n: int) -> Batch:
        rng = torch.Generator().manual_seed(self.drawn)
        self.drawn += 1
        return {"image": torch.rand(n, 1, 8, 8, generator=rng) * 2 - 1, "label": torch.randint(4, (n,), generator=rng)}

    def state(self) -> dict[str, object]:
        return {"drawn": self.drawn}

    def restore(self, state: Mapping[str, object]) -> None:
        assert isinstance(state["drawn"], int)
        self.drawn = state["drawn"]


def trainer(model: Mapping[str, Any], micro_batch: object, folder: Path, watcher: Watcher | None = None) -> Trainer:
    train = TrainSettings.model_validate(
        {"batch_size": 16, "micro_batch": micro_batch, "total_images": 160, "log_images": 48, "checkpoint_images": 80}
    )
    torch.manual_seed(0)
    settings: ModelSettings = TypeAdapter(ModelSettings).validate_python(model)
    watcher = watcher or Watcher()
    return Trainer(
        build(settings, image_spec(8, 1, 4)), Noise(), train, CPU, folder, watcher, stop=watcher.stop, samples=2
    )


def gradients(made: Trainer) -> list[Tensor]:
    return [p.grad.clone() for p in made.gan.parameters() if p.grad is not None]


def differentiated(made: Trainer, fixed_latents: bool) -> list[tuple[list[Tensor], dict[str, Tensor]]]:
    """Every phase's gradients and terms, on the first weights; with `fixed_latents` a phase's nth image has the nth latent, however it is parted."""
    found = []
    for phase in made.phases:
        if fixed_latents:
            table = iter(torch.randn(64, 4, generator=torch.Generator().manual_seed(7)))
            made.gan.latents = lambda n, _, table=table: torch.stack([next(table) for _ in range(n)])  # type: ignore[assignment]
        for name, network in made.gan.named_children():
            network.requires_grad_(name in phase.networks)
        for parameter in made.gan.parameters():
            parameter.grad = None
        pieces = made.differentiate(phase, Noise().next(16))
        found.append(
            (gradients(made), {key: torch.stack([piece[key] for piece in pieces]).mean() for key in pieces[0]})
        )
    return found


@pytest.mark.parametrize("size", [8, 4, 2])
@pytest.mark.parametrize("name", PLAIN)
def test_the_parts_gradients_add_up_to_the_whole_batchs(name: str, size: int, tmp_path: Path) -> None:
    whole = differentiated(trainer(PLAIN[name], None, tmp_path), fixed_latents=True)
    parted = differentiated(trainer(PLAIN[name], size, tmp_path), fixed_latents=True)
    assert len(whole) == len(parted) >= 2
    for (expected, terms), (found, others) in zip(whole, parted, strict=True):
        assert any(gradient.abs().max() > 1e-4 for gradient in expected)
        scale = max(float(gradient.abs().max()) for gradient in expected)
        for one, other in zip(expected, found, strict=True):
            torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5 * scale)
        assert terms.keys() == others.keys()
        for key, value in terms.items():
            torch.testing.assert_close(others[key], value, rtol=1e-4, atol=1e-6)


MIXING = {
    "batch normalised": {
        "variant": "dcgan",
        **SMALL,
        "penalties": {"r1": 1},
        "stabilisers": {"lecam": 0.1, "minibatch_std": 4, "top_k": 0.5},
    },
    "stylegan2": {"variant": "stylegan2", **SMALL, "style_width": 4, "mapping_layers": 1},
}


@pytest.mark.parametrize("micro_batch", [None, "auto", 16])
@pytest.mark.parametrize("name", PLAIN | MIXING)
def test_one_part_is_the_whole_batch_bit_for_bit(name: str, micro_batch: object, tmp_path: Path) -> None:
    """Against the loss and its gradients as they are without any parts."""
    found = differentiated(trainer((PLAIN | MIXING)[name], micro_batch, tmp_path), fixed_latents=False)
    plain = trainer((PLAIN | MIXING)[name], None, tmp_path)
    for phase, (expected, terms) in zip(plain.phases, found, strict=True):
        for key, network in plain.gan.named_children():
            network.requires_grad_(key in phase.networks)
        for parameter in plain.gan.parameters():
            parameter.grad = None
        loss = phase.loss(Noise().next(16), Progress(0, 0.0), plain.rng)
        loss.total.backward()  # type: ignore[no-untyped-call]
        assert all(torch.equal(one, other) for one, other in zip(gradients(plain), expected, strict=True))
        assert all(torch.equal(loss.terms[key], value) for key, value in terms.items())


def limited(loss: LossFunction, most: int, *, late: bool = False) -> LossFunction:
    """A loss on a device that has room for `most` images; `late` it finds out after all is computed."""

    def on_device(batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        found = loss(batch, progress, rng) if late or len(batch["image"]) <= most else None
        if found is None or len(batch["image"]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return found

    return on_device


def with_room_for(most: int, made: Trainer, *, late: bool = False) -> Trainer:
    made.phases = [replace(phase, loss=limited(phase.loss, most, late=late)) for phase in made.phases]
    return made


def weights(made: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in made.gan.state_dict().items()}


def test_auto_halves_until_it_fits_and_goes_on(tmp_path: Path) -> None:
    """From the first step on it is then the training of that part size."""
    watcher = Watcher()
    auto = with_room_for(5, trainer(PLAIN["lazy"], "auto", tmp_path / "a", watcher))
    auto.run()
    assert auto.micro == 4
    assert auto.images_seen == 160
    assert [message.split(",")[0] for message in watcher.warnings] == [
        f"out of GPU memory: going on with train.micro_batch {n}" for n in (8, 4)
    ]
    told = trainer(PLAIN["lazy"], 4, tmp_path / "b")
    told.run()
    assert all(torch.equal(value, weights(told)[name]) for name, value in weights(auto).items())
    assert [row["loss_generator"] for row in auto.history] == [row["loss_generator"] for row in told.history]


@pytest.mark.parametrize("stop_at", [16, 96])
def test_the_size_that_was_found_is_in_the_checkpoint(tmp_path: Path, stop_at: int) -> None:
    """On a device that notices late, with random numbers drawn already: interrupted or not, the weights are the same, and it does not run out twice."""
    model = MIXING["batch normalised"]
    whole = with_room_for(4, trainer(model, "auto", tmp_path / "a"), late=True)
    whole.run()
    with pytest.raises(Stopped):
        with_room_for(4, trainer(model, "auto", tmp_path / "b", Watcher(stop_at)), late=True).run()
    state, _ = checkpoint.latest(tmp_path / "b")
    assert state is not None
    watcher = Watcher()
    resumed = with_room_for(4, trainer(model, "auto", tmp_path / "b", watcher), late=True)
    resumed.restore(state)
    resumed.run()
    assert watcher.warnings == []
    assert resumed.micro == 4
    assert all(torch.equal(value, weights(resumed)[name]) for name, value in weights(whole).items())


@pytest.mark.parametrize(("micro_batch", "model"), [(None, "lazy"), (8, "lazy"), ("auto", "lazy"), ("auto", "vanilla")])
def test_what_cannot_be_made_smaller_ends_it(micro_batch: object, model: str, tmp_path: Path) -> None:
    """Sizes that were asked for are kept; a single image is no batch; a pack of two is not parted."""
    made = with_room_for(1, trainer(PLAIN[model], micro_batch, tmp_path))
    with pytest.raises(torch.OutOfMemoryError):
        made.run()
    assert made.micro == {None: 16, 8: 8, "auto": 2}[micro_batch]  # type: ignore[index]


def test_a_failed_attempt_is_forgotten_before_the_next(tmp_path: Path) -> None:
    """Its tensors would fill the memory that the smaller parts need."""
    made = trainer(PLAIN["lazy"], "auto", tmp_path)
    held: list[weakref.ref[Tensor]] = []
    alive: list[int] = []

    def hungry(loss: LossFunction) -> LossFunction:
        def on_device(batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
            alive.append(sum(reference() is not None for reference in held))
            activations = torch.zeros(1000)
            held.append(weakref.ref(activations))
            if len(batch["image"]) > 4:
                raise torch.OutOfMemoryError(f"no room for {len(activations)}")
            return loss(batch, progress, rng)

        return on_device

    made.phases = [replace(phase, loss=hungry(phase.loss)) for phase in made.phases]
    made.run()
    assert made.micro == 4
    assert max(alive) == 0


def test_parts_are_in_order_and_share_memory() -> None:
    image = torch.arange(12.0).reshape(6, 2).requires_grad_()
    found = parts({"image": image, "label": torch.arange(6)}, 2)
    assert [part["label"].tolist() for part in found] == [[0, 1], [2, 3], [4, 5]]
    assert torch.equal(torch.cat([part["image"] for part in found]), image)
    assert found[1]["image"].data_ptr() == image[2:].data_ptr()
    assert not found[0]["image"].requires_grad


@pytest.mark.parametrize(
    ("size", "group", "half"),
    [(16, 1, 8), (2, 1, None), (3, 1, None), (6, 1, 3), (4, 2, 2), (4, 4, None), (12, 4, None), (24, 4, 12)],
)
def test_halves(size: int, group: int, half: int | None) -> None:
    assert halved(size, group) == half


@pytest.mark.parametrize(
    ("micro_batch", "words"),
    [(48, "micro_batch 48 does not divide batch_size 64"), (1, "must be auto, null, or a number"), ("all", "must be")],
)
def test_wrong_sizes(micro_batch: object, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TrainSettings.model_validate({"batch_size": 64, "micro_batch": micro_batch})
