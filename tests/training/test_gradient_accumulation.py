"""Gradient accumulation: the same gradient as the whole batch, and smaller micro-batches when memory runs out."""

import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from pipeline.gans.base import GAN, Batch, Loss, LossFunction, Progress
from pipeline.gans.registry import ModelSettings, build
from pipeline.training import checkpoint
from pipeline.training.gradient_accumulation import halve, split_batch
from pipeline.training.loop import Stopped, Trainer
from pipeline.training.settings import TrainSettings
from tests.observer import Watcher
from tests.pretended_cuda import GPU, pretend
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
"""Models without statistics of a batch: batch normalisation, minibatch_std, top_k and running means."""


class Noise:
    """Endless random images and labels from fixed seeds."""

    def __init__(self, device: torch.device = CPU) -> None:
        self.count, self.device = 0, device

    def next(self, n: int) -> Batch:
        rng = torch.Generator().manual_seed(self.count)
        self.count += 1
        items, labels = torch.rand(n, 1, 8, 8, generator=rng) * 2 - 1, torch.randint(4, (n,), generator=rng)
        return {"item": items.to(self.device), "label": labels.to(self.device)}

    def state(self) -> dict[str, object]:
        return {"count": self.count}

    def restore(self, state: Mapping[str, object]) -> None:
        assert isinstance(state["count"], int)
        self.count = state["count"]


def trainer(
    model: Mapping[str, Any],
    micro_batch: object,
    folder: Path,
    watcher: Watcher | None = None,
    device: torch.device = CPU,
    total: int = 160,
) -> Trainer:
    train = TrainSettings.model_validate(
        {"batch_size": 16, "micro_batch": micro_batch, "total_images": total, "log_images": 48, "checkpoint_images": 80}
    )
    torch.manual_seed(0)
    settings: ModelSettings = TypeAdapter(ModelSettings).validate_python(model)
    watcher = watcher or Watcher()
    return Trainer(
        build(settings, image_spec(8, 1, 4)),
        Noise(device),
        train,
        device=device,
        folder=folder,
        observer=watcher,
        stop=watcher.stop,
        preview_samples=2,
    )


def gradients(trainer: Trainer) -> list[Tensor]:
    return [p.grad.clone() for p in trainer.gan.parameters() if p.grad is not None]


def differentiate(trainer: Trainer, *, fixed_latents: bool) -> list[tuple[list[Tensor], dict[str, Tensor]]]:
    """Return gradients and terms of every phase with the initial weights.

    With `fixed_latents` the nth image of a phase has the nth latent for any micro-batch size.
    """
    found = []
    for phase in trainer.phases:
        if fixed_latents:
            table = iter(torch.randn(64, 4, generator=torch.Generator().manual_seed(7)))
            latents = lambda n, _, table=table: torch.stack([next(table) for _ in range(n)])  # noqa: E731
            trainer.gan.sample_latents = latents  # type: ignore[assignment]
        for name, network in trainer.gan.named_children():
            network.requires_grad_(name in phase.networks)
        for parameter in trainer.gan.parameters():
            parameter.grad = None
        optimizers = [trainer.optimizers[name] for name in phase.networks]
        parts = trainer.accumulator.backward(phase.loss, Noise().next(16), Progress(0, 0.0), trainer.rng, optimizers)
        terms = {key: torch.stack([part[key] for part in parts]).mean() for key in parts[0]}
        found.append((gradients(trainer), terms))
    return found


@pytest.mark.parametrize("size", [8, 4, 2])
@pytest.mark.parametrize("name", PLAIN)
def test_gradients_of_micro_batches_sum_to_that_of_the_batch(name: str, size: int, tmp_path: Path) -> None:
    whole = differentiate(trainer(PLAIN[name], None, tmp_path), fixed_latents=True)
    split = differentiate(trainer(PLAIN[name], size, tmp_path), fixed_latents=True)
    assert len(whole) == len(split) >= 2
    for (expected, terms), (found, others) in zip(whole, split, strict=True):
        assert any(gradient.abs().max() > 1e-4 for gradient in expected)
        scale = max(float(gradient.abs().max()) for gradient in expected)
        for one, other in zip(expected, found, strict=True):
            torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5 * scale)
        assert terms.keys() == others.keys()
        for key, value in terms.items():
            torch.testing.assert_close(others[key], value, rtol=1e-4, atol=1e-6)


MIXING = {
    "batch normalisation": {
        "variant": "dcgan",
        **SMALL,
        "penalties": {"r1": 1},
        "stabilisers": {"lecam": 0.1, "minibatch_std": 4, "top_k": 0.5},
    },
    "stylegan2": {"variant": "stylegan2", **SMALL, "style_width": 4, "mapping_layers": 1},
}


@pytest.mark.parametrize("micro_batch", [None, "auto", 16])
@pytest.mark.parametrize("name", PLAIN | MIXING)
def test_a_single_micro_batch_equals_the_batch_bit_for_bit(name: str, micro_batch: object, tmp_path: Path) -> None:
    """Compare with the loss and its gradients without accumulation."""
    found = differentiate(trainer((PLAIN | MIXING)[name], micro_batch, tmp_path), fixed_latents=False)
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
    """Limit a loss to `most` images, as GPU memory does; with `late` it fails after the computation."""

    def on_device(batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        found = loss(batch, progress, rng) if late or len(batch["item"]) <= most else None
        if found is None or len(batch["item"]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return found

    return on_device


def with_room_for(most: int, trainer: Trainer, *, late: bool = False) -> Trainer:
    """Limit all losses of a trainer to `most` images."""
    trainer.phases = [replace(phase, loss=limited(phase.loss, most, late=late)) for phase in trainer.phases]
    return trainer


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in trainer.gan.state_dict().items()}


def test_auto_halves_the_micro_batch_until_it_fits(tmp_path: Path) -> None:
    """The result equals a training with that micro-batch size from the start."""
    watcher = Watcher()
    auto = with_room_for(5, trainer(PLAIN["lazy"], "auto", tmp_path / "a", watcher))
    auto.run()
    assert auto.accumulator.micro_batch == 4
    assert auto.images_seen == 160
    assert [message.split(" and ")[0] for message in watcher.warnings] == [
        f"out of GPU memory: continuing with train.micro_batch {n}" for n in (8, 4)
    ]
    fixed = trainer(PLAIN["lazy"], 4, tmp_path / "b")
    fixed.run()
    assert all(torch.equal(value, weights(fixed)[name]) for name, value in weights(auto).items())
    assert [row["loss_generator"] for row in auto.history] == [row["loss_generator"] for row in fixed.history]


@pytest.mark.parametrize("model", [PLAIN["lazy"], *MIXING.values()], ids=["lazy", *MIXING])
def test_a_failed_attempt_leaves_nothing_behind(tmp_path: Path, model: dict[str, Any]) -> None:
    """Buffers, such as running means, and random numbers are those of a training that never ran out of memory."""
    with pretend():
        auto = with_room_for(4, trainer(model, "auto", tmp_path / "a", device=GPU, total=32), late=True)
        auto.run()
        fixed = trainer(model, 4, tmp_path / "b", device=GPU, total=32)
        fixed.run()
        found, expected = ({name: value.cpu() for name, value in weights(one).items()} for one in (auto, fixed))
    assert auto.accumulator.micro_batch == 4
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    assert torch.equal(fixed.rng.get_state(), auto.rng.get_state())


def test_copies_for_another_attempt_are_one_kernel_for_each_dtype(tmp_path: Path) -> None:
    """A step makes them before each phase, so they are one call, and in memory that is allocated once."""
    with pretend() as gpu:
        auto = trainer(MIXING["batch normalisation"], "auto", tmp_path, device=GPU)
        buffers = [*auto.gan.buffers()]
        dtypes = {buffer.dtype for buffer in buffers}
        assert len(buffers) > len(dtypes) == 2
        auto.accumulator.remember(auto.rng)
        memory = [copy.data_ptr() for copy in auto.accumulator.copies.copies]
        gpu.clear()
        auto.accumulator.remember(auto.rng)
        assert gpu.kernels == {"_foreach_copy_.default": len(dtypes)}
        assert [copy.data_ptr() for copy in auto.accumulator.copies.copies] == memory


@pytest.mark.parametrize("allocated", [0, 3])
def test_memory_for_the_state_of_an_optimizer_runs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allocated: int
) -> None:
    """The first update of a network allocates two tensors for each parameter; the second attempt repeats all of it."""
    watcher = Watcher()
    short = trainer(PLAIN["lazy"], "auto", tmp_path / "a", watcher)
    room, zeros_like = [allocated], torch.zeros_like

    def allocate(*args: Any, **kwargs: Any) -> Tensor:
        room[0] -= 1
        if room[0] == -1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return zeros_like(*args, **kwargs)

    monkeypatch.setattr(short.optimizers["discriminator"], "step", with_allocation(short, allocate))
    short.run()
    assert [message.partition(":")[0] for message in watcher.warnings] == ["out of GPU memory"]
    assert short.accumulator.micro_batch == 8
    assert all(
        state.keys() == {"step", "exp_avg", "exp_avg_sq"} for state in short.optimizers["discriminator"].state.values()
    )


def with_allocation(trainer: Trainer, zeros_like: Callable[..., Tensor]) -> Callable[[], object]:
    """Return the update of the discriminator's optimizer, whose state is allocated by `zeros_like`."""
    step = trainer.optimizers["discriminator"].step

    def run() -> object:
        with patch.object(torch, "zeros_like", zeros_like):
            return step()

    return run


@pytest.mark.parametrize("stop_at", [16, 96])
def test_micro_batch_size_is_in_the_checkpoint(tmp_path: Path, stop_at: int) -> None:
    """A resumed training gives the same weights and does not run out of memory again, also if the failure is late."""
    model = MIXING["batch normalisation"]
    whole = with_room_for(4, trainer(model, "auto", tmp_path / "a"), late=True)
    whole.run()
    with pytest.raises(Stopped):
        with_room_for(4, trainer(model, "auto", tmp_path / "b", Watcher(stop_at)), late=True).run()
    state, _ = checkpoint.load_latest(tmp_path / "b")
    assert state is not None
    watcher = Watcher()
    resumed = with_room_for(4, trainer(model, "auto", tmp_path / "b", watcher), late=True)
    resumed.restore(state)
    resumed.run()
    assert watcher.warnings == []
    assert resumed.accumulator.micro_batch == 4
    assert all(torch.equal(value, weights(resumed)[name]) for name, value in weights(whole).items())


@pytest.mark.parametrize(("micro_batch", "model"), [(None, "lazy"), (8, "lazy"), ("auto", "lazy"), ("auto", "vanilla")])
def test_micro_batches_that_cannot_be_halved_are_an_error(micro_batch: object, model: str, tmp_path: Path) -> None:
    """Fixed sizes are kept, a single image is no batch, and a pack of two is not split."""
    limited_trainer = with_room_for(1, trainer(PLAIN[model], micro_batch, tmp_path))
    with pytest.raises(torch.OutOfMemoryError):
        limited_trainer.run()
    assert limited_trainer.accumulator.micro_batch == {None: 16, 8: 8, "auto": 2}[micro_batch]  # type: ignore[index]


class HungryLook:
    """A look for which memory suffices with few images only."""

    goals: Mapping[str, str] = {"fid": "Fréchet distance"}

    def __init__(self, most: int) -> None:
        self.most, self.sizes = most, list[int]()

    def look(self, gan: GAN, samples: int, seed: int, batch_size: int) -> dict[str, float]:
        self.sizes.append(batch_size)
        if batch_size > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return {"fid": 1.0}


def test_a_look_continues_with_fewer_images(tmp_path: Path) -> None:
    """It begins with the images that fit in training, and does not change the micro-batch."""
    short = trainer(PLAIN["lazy"], 8, tmp_path, total=16)
    short.look = HungryLook(3)
    assert short.measure_health() == {"fid": 1.0}
    assert short.look.sizes == [8, 4, 2]
    assert short.accumulator.micro_batch == 8
    short.look = HungryLook(0)
    with pytest.raises(torch.OutOfMemoryError):
        short.measure_health()
    assert short.look.sizes == [8, 4, 2, 1]


def test_tensors_of_a_failed_attempt_are_released(tmp_path: Path) -> None:
    """They would fill the memory that the smaller micro-batches need."""
    hungry_trainer = trainer(PLAIN["lazy"], "auto", tmp_path)
    references: list[weakref.ref[Tensor]] = []
    alive: list[int] = []

    def hungry(loss: LossFunction) -> LossFunction:
        def on_device(batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
            alive.append(sum(reference() is not None for reference in references))
            activations = torch.zeros(1000)
            references.append(weakref.ref(activations))
            if len(batch["item"]) > 4:
                raise torch.OutOfMemoryError(f"no room for {len(activations)}")
            return loss(batch, progress, rng)

        return on_device

    hungry_trainer.phases = [replace(phase, loss=hungry(phase.loss)) for phase in hungry_trainer.phases]
    hungry_trainer.run()
    assert hungry_trainer.accumulator.micro_batch == 4
    assert max(alive) == 0


def test_split_batch_keeps_the_order_and_shares_memory() -> None:
    image = torch.arange(12.0).reshape(6, 2).requires_grad_()
    parts = split_batch({"item": image, "label": torch.arange(6)}, 2)
    assert [part["label"].tolist() for part in parts] == [[0, 1], [2, 3], [4, 5]]
    assert torch.equal(torch.cat([part["item"] for part in parts]), image)
    assert parts[1]["item"].data_ptr() == image[2:].data_ptr()
    assert not parts[0]["item"].requires_grad


@pytest.mark.parametrize(
    ("size", "group", "half"),
    [(16, 1, 8), (2, 1, None), (3, 1, None), (6, 1, 3), (4, 2, 2), (4, 4, None), (12, 4, None), (24, 4, 12)],
)
def test_halve(size: int, group: int, half: int | None) -> None:
    assert halve(size, group) == half


@pytest.mark.parametrize(
    ("micro_batch", "words"),
    [(48, "micro_batch 48 does not divide batch_size 64"), (1, "must be auto, null, or a number"), ("all", "must be")],
)
def test_invalid_micro_batch_sizes(micro_batch: object, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TrainSettings.model_validate({"batch_size": 64, "micro_batch": micro_batch})
