"""A bank of failures: real items, how they are broken, and the gate that must notice it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np

from benchmarks.gate.failure import Failure, Int64, R, UInt8
from benchmarks.gate.results import Judged


@dataclass(frozen=True)
class Sample:
    """Samples of a model that the gate must accept: the model's name, a seed, items and the labels asked for."""

    model: str
    seed: int
    items: UInt8
    labels: Int64 | None


class Draw(ABC, Generic[R]):
    """One random choice of the real items: those that are broken, and those that the gate compares with.

    Attributes:
        real: What a failure breaks.
        intact: Its items, unbroken, [n, H, W, C].
        labels: Their labels, [n]; None if the gate sees none.
    """

    real: R
    intact: UInt8
    labels: Int64 | None = None

    @abstractmethod
    def judge(self, items: UInt8, asked: Int64 | None = None, failure: Failure[R] | None = None) -> Judged:
        """Apply the gate to items [n, H, W, C] with the labels that were asked for; `failure` broke them."""


class Bank(ABC, Generic[R]):
    """Real items of one source, and the failures that are imitated with them.

    Attributes:
        name: Name of the page with the results.
        labelled: Whether the gate sees labels.
        failures: All failures, in the order of the tables.
    """

    name: str
    labelled: bool
    failures: Sequence[Failure[R]]

    @abstractmethod
    def draw(self, seed: int) -> Draw[R]:
        """Choose the items of this seed."""

    @abstractmethod
    def describe(self, draw: Draw[R]) -> str:
        """Return the head of the page: what is compared with what."""

    def samples(self) -> Iterator[Sample]:
        """Yield samples of models that are known to be good."""
        yield from ()


def apply_failure(failure: Failure[R], draw: Draw[R], strength: float) -> Judged:
    """Break the items of a draw, and apply the gate to them."""
    items = failure.apply(draw.real, strength, np.random.default_rng(1))
    asked = failure.ask(draw.real, strength, np.random.default_rng(1)) if failure.ask else None
    return draw.judge(items, asked, failure)
