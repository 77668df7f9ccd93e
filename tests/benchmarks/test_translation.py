"""The benchmark of styled digits: translators with known behaviour get the shares that they deserve."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.translation import styled_digits
from benchmarks.translation.styled_digits import STYLES, Drawings, translate
from pipeline.arrays import Int64Array, Items
from pipeline.gans.base import ExportSpec
from pipeline.serving.onnx.graph_export import export
from pipeline.serving.runtime.generator import Graph
from tests.serving.conftest import describe


class Inverter(nn.Module):
    """Inverts images if the label is odd; `other` shifts them by its first value."""

    def forward(self, image: Tensor, label: Tensor, other: Tensor) -> Tensor:
        sign = 1 - 2 * (label % 2)[:, None, None, None]
        return sign * image + 0 * other.flatten(1)[:, :1, None, None]


@pytest.fixture
def generator(tmp_path: Path) -> Path:
    image, label = torch.zeros(2, 1, 16, 16), torch.zeros(2, dtype=torch.int64)
    for name, other in (("generator", {"z": torch.zeros(2, 3)}), ("example", {"reference": image.clone()})):
        metadata = describe(variant="stargan", resolution=16, channels=1, latent=3, class_names=list(STYLES))
        spec = ExportSpec(name, Inverter().eval(), {"image": image, "label": label} | other, ("images",))
        export(spec, tmp_path / f"{name}.onnx", metadata.pairs(), 20)
    return tmp_path / "generator.onnx"


def test_the_split_is_that_of_the_source_and_labels_are_true() -> None:
    train, test = Drawings(test=False), Drawings(test=True)
    assert (len(train), len(test)) == (4 * 1437, 4 * 360)
    assert np.bincount(test.styles).tolist() == [360] * 4
    inverted = test.array[test.styles == STYLES.index("inverted")]
    assert inverted[:, 0].mean() > 200 > 50 > test.array[test.styles != STYLES.index("inverted")][:, 0].mean()
    assert test.digits.reshape(-1, 4).std(axis=1).max() == 0, "a digit in its four styles"


@pytest.mark.slow
def test_graphs_are_asked_for_the_style_and_the_example(
    generator: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = Drawings(test=True).array[:8]
    for graph, references in (("generator", None), ("example", images)):
        opened = Graph(generator.with_name(f"{graph}.onnx"))
        assert np.array_equal(translate(opened, images, 0, references, 0), images)
        assert np.abs(translate(opened, images, 1, references, 0).astype(int) - (255 - images)).max() <= 1

    class Paper:
        """Stands for both classifiers, which take a minute to train: the first pixel is the paper."""

        def shares(self, images: Items, style: Int64Array, digit: Int64Array) -> tuple[float, float]:
            return float(np.mean((images[:, 0, 0, 0] > 127) == (style == 0))), 1.0

    monkeypatch.setattr(styled_digits, "train_judges", lambda _train: Paper())
    rows = {(row.kind, row.source, row.target): row.style for row in styled_digits.measure(generator, 0)}
    assert len(rows) == 4 + 2 * 12
    assert all(rows["real images", name, name] == 1 for name in STYLES)
    assert rows["z", "thin", "inverted"] == rows["example", "thin", "inverted"] == 0, (
        "label 0 leaves white digits on black"
    )
    assert rows["z", "inverted", "thin"] == 1
    monkeypatch.setattr("sys.argv", ["styled_digits", str(generator)])
    styled_digits.main()
    printed = capsys.readouterr().out
    assert "| z | mean |" in printed
    assert "| from thin | 100.0% | 100.0% | 100.0% |  |" in printed
