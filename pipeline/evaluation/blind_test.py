"""A blind test: a page on which a person tells generated items from real ones, and the result that it saves."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from pipeline.arrays import BoolArray, Int64Array, Items
from pipeline.errors import InputError
from pipeline.evaluation.measures.intervals import wilson_interval
from pipeline.evaluation.wording import percent
from pipeline.items import ItemSpec
from pipeline.media.registry import find_medium

HALF = 20
"""Real items of a test, and generated ones."""

TEMPLATES = Path(__file__).parent / "templates"
REMEDY = "Take the test again on the page that `ganline human` writes"


class Answers(BaseModel):
    """The result of one person, as the page saves it.

    Attributes:
        test: Marks the file as such a result, and its format.
        model: SHA-256 of the model's weights.
        data: Fingerprint of the test split.
        seed: Seed of the test.
        key: Which items were real, as on the page; see `make_key`.
        answers: What the person took each item for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    test: Literal["ganline-human-1"]
    model: str
    data: str
    seed: int
    key: str
    answers: tuple[Literal["real", "generated"], ...]


@dataclass(frozen=True)
class BlindTest:
    """One test: the same model, data and seed give the same items in the same order."""

    model: str
    data: str
    seed: int

    @property
    def is_real(self) -> BoolArray:
        """Which items are real, in the order of the page, [2 * HALF]."""
        real: BoolArray = np.random.default_rng([self.seed, 0]).permutation(2 * HALF) < HALF
        return real

    @property
    def key(self) -> str:
        """Random bytes in base64, one for each item; the lowest bit says whether it is real."""
        noise = np.random.default_rng([self.seed, 1]).integers(0, 128, 2 * HALF)
        return base64.b64encode((2 * noise + self.is_real).astype(np.uint8).tobytes()).decode()

    def choose(self, available: int, count: int, what: str) -> Int64Array:
        """Return random positions of held-out items, [count], none twice.

        Raises:
            InputError: Fewer are available; `what` names them.
        """
        if available < count:
            raise InputError(
                f"the test split has {available} {what}, and a blind test needs {count}. Raise data.test_fraction, or "
                "add files to the test folder of the source, then run `dvc repro`."
            )
        return np.random.default_rng([self.seed, 2]).choice(available, count, replace=False)

    def render(self, real: Sequence[Items] | Items, generated: Sequence[Items] | Items, item: ItemSpec) -> str:
        """Return the page: one HTML file without references to others.

        Args:
            real: HALF real items, each [H, W, C].
            generated: HALF generated items, each [H, W, C].
            item: What an item is.
        """
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        medium, pools = find_medium(item.medium), {True: iter(real), False: iter(generated)}
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        return environment.get_template("human.html.j2").render(
            items=[medium.html(next(pools[bool(is_real)]), item) for is_real in self.is_real],
            noun=medium.noun,
            result={"test": "ganline-human-1", "model": self.model, "data": self.data, "seed": self.seed},
            key=self.key,
        )


def require_finite(values: Tensor) -> Tensor:
    """Return what a model generated. Raise InputError for NaN or Inf."""
    if not torch.isfinite(values).all():
        raise InputError("the model generates NaN or Inf. Train it again, with a lower train.learning_rate.")
    return values


def read_answers(path: Path) -> Answers:
    """Return the result in a file. Raise InputError if it is missing, or not the complete result of a test."""
    try:
        found = Answers.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path}: this is not the result of a blind test ({where}{': ' if where else ''}{first['msg']}). {REMEDY}."
        ) from None
    if len(found.answers) != 2 * HALF:
        raise InputError(f"{path}: the test is not complete: {len(found.answers)} of {2 * HALF} answers. {REMEDY}.")
    return found


def check_answers(path: Path, found: Answers, model: str, data: str) -> None:
    """Raise InputError if a result is about another model or other data, or was made by another version."""
    again = f"Run `ganline human --seed {found.seed}` and take the test again."
    if found.model != model:
        raise InputError(f"{path}: the test showed another model (weights {found.model[:8]}, now {model[:8]}). {again}")
    if found.data != data:
        raise InputError(f"{path}: the test showed other data (split {found.data[:8]}, now {data[:8]}). {again}")
    if found.key != BlindTest(model, data, found.seed).key:
        raise InputError(f"{path}: the items of the test were in another order than this version shows. {again}")


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def score(results: Sequence[Answers]) -> dict[str, Any]:
    """Return the metrics of results about one model: the share of right answers with its Wilson interval, and counts.

    Several persons are pooled.
    """
    right = {True: 0, False: 0}
    for result in results:
        truth = BlindTest(result.model, result.data, result.seed).is_real
        for is_real, answer in zip(truth, result.answers, strict=True):
            right[bool(is_real)] += answer == ("real" if is_real else "generated")
    total, half = 2 * HALF * len(results), HALF * len(results)
    interval = wilson_interval(sum(right.values()), total, "answers")
    return {
        "human_accuracy": sum(right.values()) / total,
        "human_accuracy_low": interval.low,
        "human_accuracy_high": interval.high,
        "human_answers": total,
        "human_persons": len(results),
        "real_taken_for_real": right[True] / half,
        "generated_taken_for_real": 1 - right[False] / half,
        "model_sha256": results[0].model,
        "real_fingerprint": results[0].data,
    }


def describe_score(measured: Mapping[str, Any]) -> str:
    """Format the metrics of a blind test."""
    low, high = percent(measured["human_accuracy_low"]), percent(measured["human_accuracy_high"])
    return (
        f"{percent(measured['human_accuracy'])} of {measured['human_answers']:,} answers are right "
        f"({low} to {high}; guessing gives 50 %)"
    )
