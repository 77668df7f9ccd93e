"""All stages for a model that accompanies tracks: MIDI files, evaluation next to borrowed accompaniments, files."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.media.music.midi import read_score
from pipeline.media.music.settings import MusicLimits
from pipeline.media.registry import MEDIA
from pipeline.serving.runtime.apply_files import apply_to_files
from pipeline.tasks.registry import TASKS
from tests.all_stages import all_stages
from tests.media.music.midi_files import melody, write, write_songs

pytestmark = pytest.mark.slow

PARAMS = """
data: {medium: music, source: data/raw, tracks: [piano, drums], onsets: true, steps: 4, pitches: [36, 71]}
validate: {min_images: {limit: 3, severity: critical}}
model: {variant: accompaniment, latent: 4, shared: 8, private: 8, depth: 1}
train:
  {device: cpu, batch_size: 4, total_images: 24, log_images: 8, snapshot_images: 24, checkpoint_images: 24,
   health: {images: 24, samples: 64}, flips: false}
evaluate: {samples: 50, gate: {GATE}}
export: {parity_tolerance: 0.001}
tracking: {experiment: tests, model: tests-accompaniment}
"""


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("accompaniment")
    off = dict.fromkeys(TASKS["restore"].gate(MEDIA["music"]).model_fields)
    (root / "params.yaml").write_text(PARAMS.replace("{GATE}", json.dumps(off)))
    write_songs(root / "data" / "raw", 24)
    with all_stages(root):
        yield root


def test_a_melody_gets_drums(line: Path, tmp_path: Path) -> None:
    found = json.loads((line / "metrics" / "evaluation.json").read_text())
    assert found["images"] > 4
    assert found["chord_agreement"] == 1, "drums have no chords"
    page = (line / "reports" / "evaluation.html").read_text()
    assert page.count("<audio controls") >= 4 * 4
    card = (line / "exported" / "model_card.md").read_text()
    assert "accompanies pieces of which the first voices or tracks are given" in card
    assert "--example" not in card
    tune = [(48 + pitch, pitch, pitch + 1) for pitch in range(10)]
    (tmp_path / "melody.mid").write_bytes(write(melody(tune)))
    apply_to_files(line / "exported" / "generator.onnx", [tmp_path / "melody.mid"], tmp_path / "piece.mid")
    score = read_score((tmp_path / "piece.mid").read_bytes(), MusicLimits())
    assert [(note.pitch, note.start // score.division) for note in score.parts[0]] == [
        (pitch, start) for pitch, start, _ in tune
    ]
    assert score.drums
