"""A medium that is no image, a task and a variant: everything that an addition to the package consists of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.arrays import Items
from pipeline.data.views import Unlabelled
from pipeline.evaluation.comparison import Comparison, Material
from pipeline.evaluation.protocol import with_code
from pipeline.evaluation.report_page import render_page
from pipeline.evaluation.settings import Gate
from pipeline.evaluation.verdict import Test, Verdict
from pipeline.gans.base import GAN, Batch, ExportSpec, Loss, Phase, Progress, View
from pipeline.gans.variants.settings import VariantSettings
from pipeline.items import DataLayout, ItemSpec
from pipeline.media.base import Medium
from pipeline.media.codec import BadItem, Encoded, Item
from pipeline.media.registry import tensors_of
from pipeline.media.settings import DataSettings
from pipeline.serving.onnx.metadata import Metadata
from pipeline.tasks.base import EvaluationCase, EvaluationResult
from pipeline.tasks.exported_model import ExportedEvaluation, ExportedModel
from pipeline.tasks.task import Task
from pipeline.tasks.training_case import TrainingCase

LETTERS = "abcde"


# --- the medium: two pages of 6 lines of 10 letters ---


class LettersSettings(DataSettings):
    """`data:` of the toy medium."""

    medium: Literal["letters"] = "letters"
    source: str = "data/raw"

    def layout(self) -> DataLayout:
        return DataLayout(height=6, width=10, classes=self.classes)


class Letters(Medium):
    """Categories, uint16 [6, 10, 2], in files of 12 lines."""

    name = "letters"
    noun = "text"
    file_types = "text files of 12 lines"
    suffixes = frozenset({".letters"})
    formats: ClassVar = {".letters": "text/plain; charset=utf-8"}
    Settings = LettersSettings
    output = "blocks"

    def spec(self, settings: Any, classes: tuple[str, ...]) -> ItemSpec:
        return ItemSpec(
            medium=self.name, height=6, width=10, channels=2, dtype="uint16", symbols=len(LETTERS), classes=classes
        )

    def decode(self, data: bytes, settings: Any) -> Iterator[Item]:
        lines = data.decode(errors="replace").split()
        if len(lines) != 12 or any(len(line) != 10 or set(line) - set(LETTERS) for line in lines):
            raise BadItem("not 12 lines of 10 letters from a to e")
        values = np.array([[LETTERS.index(letter) for letter in line] for line in lines], dtype=np.uint16)
        yield Item(np.ascontiguousarray(values.reshape(2, 6, 10).transpose(1, 2, 0)), {})

    def text(self, values: Items) -> str:
        return "\n".join("".join(LETTERS[v] for v in line) for line in values.transpose(2, 0, 1).reshape(-1, 10))

    def encode(self, values: Items, spec: ItemSpec, suffix: str | None = None) -> Encoded:
        return Encoded(self.text(values).encode(), self.formats[".letters"], ".letters")

    def preview(self, batch: Items, spec: ItemSpec, columns: int | None = None, cell: int = 64) -> Image.Image:
        return Image.fromarray((batch[..., 0] * 50).astype(np.uint8).reshape(-1, spec.width))

    def html(self, values: Items, spec: ItemSpec) -> str:
        return f"<pre>{self.text(values)}</pre>"


# --- the variant: fully connected networks with a categorical head ---


class ToySettings(VariantSettings):
    """Settings of the toy variant."""

    task: ClassVar[str] = "count"
    variant: Literal["toy"] = "toy"
    latent: int = Field(8, ge=1, description="length of z")

    def check_shape(self, height: int, width: int, keys: str = "data.resolution") -> None:
        """Any shape."""


class Writer(nn.Module):
    """z [B, latent] -> one map per channel and symbol, a softmax over the symbols."""

    def __init__(self, latent: int, item: ItemSpec) -> None:
        super().__init__()
        self.shape = (item.channels, item.symbols, item.height, item.width)
        self.layers = nn.Linear(latent, int(np.prod(self.shape)))

    def forward(self, z: Tensor) -> Tensor:
        maps = torch.softmax(self.layers(z).reshape(-1, *self.shape), dim=2)
        return maps.flatten(1, 2)


class Toy(GAN):
    """One phase: the mean shares of the letters approach those of the data."""

    task = "count"
    view = View("counted")

    def __init__(self, settings: ToySettings, item: ItemSpec) -> None:
        super().__init__()
        self.latent = settings.latent
        self.generator = Writer(settings.latent, item)

    def phases(self) -> list[Phase]:
        return [Phase("generator", ("generator",), self.loss, "generator")]

    def loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        output = self.generator(torch.randn(len(batch["letters"]), self.latent, generator=rng, device=rng.device))
        total = F.mse_loss(output.mean(0), batch["letters"].mean(0))
        return Loss(total, {"loss_generator": total.detach()})

    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        z = conditions["z"] if "z" in conditions else torch.randn(n, self.latent, generator=rng)
        output: Tensor = self.generator(z)
        return output

    def selection_metric(self, progress: Progress) -> str:
        return "share_error"

    def export(self) -> list[ExportSpec]:
        return [ExportSpec("generator", self.generator, {"z": torch.zeros(2, self.latent)}, ("items",))]


# --- the task: letters as frequent as in the data ---


class Counted(Unlabelled):
    """Batches {"letters"}: the task's own view."""

    def next(self, n: int) -> dict[str, Tensor]:
        return {"letters": super().next(n)["item"]}


class CountGate(Gate):
    """Bound of the toy task's test."""

    share_error: float | None = Field(0.2, ge=0, description="largest error of a letter's share")


def shares(items: Items) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return how often each letter appears."""
    return np.bincount(items.ravel(), minlength=len(LETTERS)) / items.size


@dataclass(frozen=True)
class CountLook:
    """Compares shares of letters while training."""

    item: ItemSpec
    real: Items
    goals: ClassVar[Mapping[str, str]] = {"share_error": "error of the letters' shares"}

    @torch.no_grad()
    def look(self, gan: GAN, samples: int, seed: int, batch_size: int) -> dict[str, float]:
        items = tensors_of(self.item).from_network(gan.sample(samples, torch.Generator().manual_seed(seed)))
        return {"share_error": float(np.abs(shares(items) - shares(self.real)).max())}


def build_look(case: TrainingCase) -> CountLook:
    """Build the look of a training."""
    return CountLook(case.item, case.train.images())


def verdict_of(items: Items, real: Items, gate: CountGate) -> tuple[float, Verdict]:
    """Apply the one test."""
    error = float(np.abs(shares(items) - shares(real)).max())
    fails = gate.share_error is not None and error > gate.share_error
    test = Test("share_error", error, f"<= {gate.share_error}", state="fail" if fails else "pass")
    return error, Verdict([test], [f"wrong letters: {test.numbers}"] if fails else [])


def evaluate(case: EvaluationCase) -> EvaluationResult:
    """Evaluate samples by the shares of their letters."""
    assert isinstance(case.settings.gate, CountGate)
    with torch.no_grad():
        output = case.gan.sample(case.settings.samples, torch.Generator().manual_seed(case.settings.seed))
    items, real = tensors_of(case.info.item).from_network(output), case.test.images()
    error, verdict = verdict_of(items, real, case.settings.gate)
    protocol = with_code(f"measure=shares | n={len(items)} | real={case.test.fingerprint[:8]}", "pipeline.measure")
    metrics = {
        "share_error": error,
        "verdict": verdict.word,
        "reasons": verdict.reasons,
        "skipped": [],
        "protocol": protocol,
    }
    html = render_page(
        Path(__file__).with_name("letters.html.j2"),
        verdict,
        warnings=[],
        rows=[],
        protocol=protocol,
        provenance=case.provenance(),
        compared=False,
        reference_title="",
        first=Letters().text(items[0]),
    )
    return EvaluationResult(metrics, html, f"share_error {error:.3g}")


class CountTask(Task):
    """Write letters as often as the data does."""

    name = "count"
    Gate = CountGate
    views: ClassVar[Mapping[str, str]] = {"counted": "tests.toy.toy:Counted"}
    look_builder = "tests.toy.toy:build_look"
    evaluator = "tests.toy.toy:evaluate"
    compared = ("share_error",)
    takes_input = False
    intended_use = "Tests."
    risk = "None."
    evidence_note = "it is random."

    @property
    def headline(self) -> Sequence[str]:  # type: ignore[override]
        return ("share_error",)

    def describe(self, metadata: Metadata) -> str:
        return "A toy that writes letters"

    def usage(self, metadata: Metadata, signature: Mapping[str, Any]) -> str:
        return "## How to sample\n\n`ganline sample -o letters/`\n"

    def try_it(self, medium: Medium) -> str:
        return "ganline sample -o letters/"

    def evaluate_exported(self, model: ExportedModel, case: EvaluationCase) -> ExportedEvaluation:
        from pipeline.serving.runtime.generator import Generator

        items = Generator(model.graph).sample(case.settings.samples, case.settings.seed)
        error = float(np.abs(shares(items) - shares(case.test.images())).max())
        return ExportedEvaluation({"share_error": error, "protocol": "measure=shares"}, Material())

    def compare(
        self, challenger: ExportedEvaluation, champion: ExportedEvaluation, seed: int
    ) -> Mapping[str, Comparison]:
        """The rule of this task: the larger error is worse, beyond 0.01."""
        difference = challenger.metrics["share_error"] - champion.metrics["share_error"]
        return {"share_error": Comparison(difference, difference - 0.01, difference + 0.01)}
