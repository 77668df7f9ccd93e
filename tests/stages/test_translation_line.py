"""The whole line of a translation, small, from a user's folders to a translated file: pairs, two domains, two domains in styles."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.serving.runtime.apply_files import ApplyOptions, apply_to_files
from pipeline.stages import evaluate, export, ingest, train, validate
from tests.stages.delivering import both_judged

PARAMS = """
data: {{source: data/raw, resolution: 16, channels: rgb, {data}}}
validate: {{min_images: {{limit: 8, severity: critical}}, min_per_class: {{limit: 8, severity: critical}}}}
model: {{variant: {variant}, generator_channels: 4, discriminator_channels: 4, discriminator_layers: 1}}
train: {{device: cpu, batch_size: 4, total_images: 16, log_images: 8, snapshot_images: 16, checkpoint_images: 16, health: {{images: 8, samples: 64}}}}
evaluate: {{samples: 50, gate: {{fid_excess: null, dependence: null, repeats: null, cycle_ratio: null, psnr_gain: null, diversity_ratio: null}}}}
export: {{opset: 20}}
tracking: {{experiment: tests, model: tests-{variant}}}
"""
DATA = {"pix2pix": "pairs: halves", "cyclegan": "classes: [sun, rain]", "drit": "classes: [sun, rain]"}
GRAPHS = {
    "pix2pix": ["generator"],
    "cyclegan": ["generator", "reverse"],
    "drit": ["generator", "reverse", "style_a", "style_b"],
}


def save(path: Path, pixels: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="module", params=list(DATA))
def line(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    variant = request.param
    root = tmp_path_factory.mktemp(variant)
    (root / "params.yaml").write_text(PARAMS.format(variant=variant, data=DATA[variant]))
    rng = np.random.default_rng(0)
    for number in range(90):
        light = rng.normal(160, 40, (16, 16, 3))
        if variant == "pix2pix":
            save(root / "data" / "raw" / f"{number:02d}.png", np.concatenate([light, 255 - light], axis=1))
        else:
            save(root / "data" / "raw" / "sun" / f"{number:02d}.png", light)
            save(root / "data" / "raw" / "rain" / f"{number:02d}.png", rng.normal(90, 40, (16, 16, 3)))
            save(root / "data" / "raw" / "snow" / f"{number:02d}.png", rng.normal(220, 40, (16, 16, 3)))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for stage in (ingest, validate, train, evaluate, export):
            stage.run(root)
        yield variant, root
    torch.set_num_threads(before)


def test_it_was_looked_at_and_judged_in_every_direction(line: tuple[str, Path]) -> None:
    variant, root = line
    trained = json.loads((root / "metrics" / "train.json").read_text())
    assert trained["health_fid"] > 0
    assert ("health_cycle" in trained) == (variant != "pix2pix")
    found = json.loads((root / "metrics" / "evaluation.json").read_text())
    assert found["verdict"] == "pass", found["reasons"]
    assert ("fid_b_to_a" in found) == (variant != "pix2pix")
    assert ("psnr" in found, "cycle_error" in found, "diversity" in found) == (
        variant == "pix2pix",
        variant != "pix2pix",
        variant == "drit",
    )
    page = (root / "reports" / "evaluation.html").read_text()
    assert ("sun to rain" in page) == (variant != "pix2pix")
    assert "data:image/png;base64," in page


def test_its_graphs_are_judged_like_its_networks(line: tuple[str, Path]) -> None:
    """All numbers of every direction, but what no graph can show: what DRIT makes of a picture on its own side."""
    variant, root = line
    networks, graphs = both_judged(root)
    if variant == "drit":
        networks = {name: value for name, value in networks.items() if not name.startswith("identity_error")}
    assert len(graphs) > 20
    assert graphs == pytest.approx(networks, rel=1e-3, abs=1e-3)


def test_it_is_delivered_and_used(line: tuple[str, Path], tmp_path: Path) -> None:
    variant, root = line
    exported = root / "exported"
    assert sorted(path.stem for path in exported.glob("*.onnx")) == GRAPHS[variant]
    measured = json.loads((root / "metrics" / "export.json").read_text())
    assert measured["parity_max_abs"] < 1e-4
    card = (exported / "model_card.md").read_text()
    assert (
        f"A network that translates RGB images from {'domain A to domain B' if variant == 'pix2pix' else 'sun to rain'}"
        in card
    )
    save(tmp_path / "one.png", np.random.default_rng(1).normal(128, 60, (37, 50, 3)))
    done, problems = apply_to_files(
        exported / "generator.onnx",
        [tmp_path / "one.png"],
        tmp_path / "made.png",
        ApplyOptions(seed=3) if variant == "drit" else None,
    )
    assert (done, problems) == (1, [])
    with Image.open(tmp_path / "made.png") as made:
        assert made.size == (50, 37)
