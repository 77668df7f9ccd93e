"""The page of a model that restores recordings: it plays them before and after."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.gans.registry import build, parse_settings
from pipeline.media.audio.medium import AudioMedium
from pipeline.media.audio.settings import AudioSettings
from pipeline.serving.onnx.graph_export import export, name_tensors
from pipeline.serving.onnx.metadata import Metadata
from tests.media.audio.sounds import sine, sound
from tests.serving.http.test_pages import GIVE, IDLE, READY

pytestmark = pytest.mark.slow

SPEC = AudioMedium().spec(AudioSettings(representation="wave", seconds=0.064), ())


@pytest.fixture(scope="module")
def cleaner(tmp_path_factory: pytest.TempPathFactory, describe: Callable[..., Metadata]) -> Path:
    torch.manual_seed(0)
    small = {"variant": "segan", "generator_channels": 2, "discriminator_channels": 2, "kernel": 9, "layers": 3}
    (spec,) = build(parse_settings(small), SPEC).eval().export()
    path = tmp_path_factory.mktemp("cleaner") / "generator.onnx"
    about = {"item": SPEC, "variant": "segan", "task": "restore", "latent": 0}
    export(name_tensors(spec, SPEC), path, describe().model_copy(update=about).pairs(), 20)
    return path


def test_a_recording_is_played_before_and_after(tab: Any, cleaner: Path, running: Any) -> None:
    with running(cleaner) as (url, _):
        tab.size(1280, 800)
        tab.open(f"{url}/")
        tab.until(READY)
        assert tab.run("document.querySelector('#apply h2').textContent") == "Your clip"
        assert tab.run("document.getElementById('file').accept") == "audio/*"
        file = base64.b64encode(sound(0.3 * sine(440, seconds=0.5))).decode()
        tab.run(f"{GIVE}('{file}', 'noisy.wav', 'drop')")
        tab.until(IDLE)
        for name in ("before", "after"):
            assert tab.run(f"document.getElementById('{name}-size').textContent") == "0.50 s"
            assert tab.run(
                f"!document.getElementById('{name}-sound').hidden && document.getElementById('{name}').hidden"
            )
        broken = base64.b64encode(b"no sound").decode()
        tab.run(f"{GIVE}('{broken}', 'broken.wav', 'choose')")
        tab.until("document.getElementById('apply-status').textContent.includes('the body is not a clip')")
        assert tab.run("document.getElementById('after-sound').hidden")
