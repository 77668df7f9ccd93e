"""Views of the domains of a translation: the contents of its training batches."""

from collections.abc import Mapping, Sequence
from typing import Unpack

import torch
from torch import Tensor

from pipeline.data.batch_sampling import RESIDENT_BYTES, BatchSampler, Shuffle, TrainingItems, count_bytes
from pipeline.data.domains import DomainItems, split_domains, split_two_domains
from pipeline.data.store import ItemSet, PairSet
from pipeline.data.transfer import copy_to
from pipeline.data.views import Labelled, SamplingOptions
from pipeline.errors import InputError
from pipeline.random_state import restore_generator


class EachDomain:
    """Batches {"a": [B, C, H, W], "b": [B, C, H, W], ...}: items of each domain of a translation.

    Args:
        seeds: Seed of the order of each domain.
    """

    def __init__(
        self,
        domains: Mapping[str, DomainItems],
        device: torch.device,
        seeds: Sequence[int],
        *,
        flips: bool = False,
        resident_bytes: int = RESIDENT_BYTES,
    ) -> None:
        for domain in domains.values():
            require_items(len(domain), domain.name)
        fits = sum(map(count_bytes, domains.values())) <= resident_bytes
        self.samplers = {
            name: BatchSampler(domain, device, seed, flips=flips, resident_bytes=resident_bytes if fits else 0)
            for (name, domain), seed in zip(domains.items(), seeds, strict=True)
        }

    def next(self, n: int) -> dict[str, Tensor]:
        """Return the next batch: `n` items of each domain."""
        return {name: sampler.take(n) for name, sampler in self.samplers.items()}

    def state(self) -> dict[str, object]:
        """Return the state that `restore` accepts."""
        return {name: sampler.state() for name, sampler in self.samplers.items()}

    def restore(self, state: Mapping[str, object]) -> None:
        """Continue from a state."""
        for name, sampler in self.samplers.items():
            part = state[name]
            assert isinstance(part, dict)
            sampler.restore(part)


class Paired(EachDomain):
    """Partners, mirrored together.

    Raises:
        InputError: The data has no pairs.
    """

    def __init__(self, data: ItemSet, device: torch.device, seed: int, **sampling: Unpack[SamplingOptions]) -> None:
        if not isinstance(data, PairSet):
            raise InputError(
                "this model.variant needs pairs, but the data has none: set data.pairs and run `dvc repro`"
            )
        # With the same seed, both draw and mirror the same positions in the same order.
        super().__init__(split_domains(data), device, (seed, seed), **sampling)


class Domains(EachDomain):
    """Items of two classes, drawn independently.

    Raises:
        InputError: The data has pairs, or not exactly two classes.
    """

    def __init__(self, data: ItemSet, device: torch.device, seed: int, **sampling: Unpack[SamplingOptions]) -> None:
        if isinstance(data, PairSet):
            raise InputError(
                "this model.variant needs two domains, but the data has pairs: set data.pairs to none, "
                "name two classes in data.classes and run `dvc repro`"
            )
        super().__init__(split_two_domains(data), device, (seed, seed + 1), **sampling)


class Classes(Labelled):
    """Batches {"item", "label", "target", "reference", "other_reference"} for translation between classes.

    Labels and targets are int64 [B], drawn uniformly; both references are items of the class `target`.

    Raises:
        InputError: The data has pairs, an item has no class, or a class has no item.
    """

    def __init__(
        self, data: TrainingItems, device: torch.device, seed: int, **sampling: Unpack[SamplingOptions]
    ) -> None:
        if isinstance(data, PairSet):
            raise InputError(
                "this model.variant translates between classes, but the data has pairs: set data.pairs to none and run "
                "`dvc repro`"
            )
        super().__init__(data, device, seed, **sampling)
        labels = self.sampler.labels.cpu()
        self.members = [torch.nonzero(labels == k).flatten() for k in range(len(data.item.classes))]
        for members, name in zip(self.members, data.item.classes, strict=True):
            require_items(len(members), name)
        self.orders = [Shuffle(len(members), seed + k, labels.device) for k, members in enumerate(self.members)]
        self.rng = torch.Generator().manual_seed(seed)

    def next(self, n: int) -> dict[str, Tensor]:
        """Return the next batch of `n` items with targets.

        Labels and positions are drawn on the host, and copied to the device at once.
        """
        label, target = (torch.randint(len(self.members), (n,), generator=self.rng) for _ in range(2))
        positions = [self.positions(classes) for classes in (label, target, target)]
        item, reference, other, label, target = copy_to(self.sampler.device, torch.stack([*positions, label, target]))
        chosen = {"item": item, "reference": reference, "other_reference": other}
        return {name: self.sampler.at(at) for name, at in chosen.items()} | {"label": label, "target": target}

    def positions(self, classes: Tensor) -> Tensor:
        """Return positions of the next item of each class, int64 [n] on the host."""
        found = torch.empty(len(classes), dtype=torch.int64)
        for number, (members, order) in enumerate(zip(self.members, self.orders, strict=True)):
            asked = torch.nonzero(classes == number).flatten()
            if len(asked):
                found[asked] = members[order.take(len(asked))]
        return found

    def state(self) -> dict[str, object]:
        """Return the state that `restore` accepts."""
        orders = [order.state() for order in self.orders]
        return {"sampler": self.sampler.state(), "orders": orders, "rng": self.rng.get_state()}

    def restore(self, state: Mapping[str, object]) -> None:
        """Continue from a state."""
        sampler, orders, rng = state["sampler"], state["orders"], state["rng"]
        assert isinstance(sampler, dict)
        assert isinstance(orders, list)
        assert isinstance(rng, Tensor)
        self.sampler.restore(sampler)
        for order, one in zip(self.orders, orders, strict=True):
            order.restore(one)
        restore_generator(self.rng, rng)


def require_items(count: int, name: str) -> None:
    """Raise InputError if a split has no item of a domain."""
    if not count:
        raise InputError(f"this split has no item of {name!r}: add items or change data.test_fraction")
