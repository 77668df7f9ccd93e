"""The page of a model that accompanies melodies: it shows and plays what no browser plays, the MIDI files."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.serving.onnx.metadata import Metadata
from tests.media.music.midi_files import melody, write
from tests.serving.http.test_pages import GIVE, IDLE, READY
from tests.serving.test_accompaniment import export_accompanist

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def accompanist(tmp_path_factory: pytest.TempPathFactory, describe: Callable[..., Metadata]) -> Path:
    return export_accompanist(tmp_path_factory.mktemp("music") / "generator.onnx", describe())


def test_a_melody_and_the_piece_are_shown_and_played(tab: Any, accompanist: Path, running: Any) -> None:
    with running(accompanist) as (url, _):
        tab.size(1280, 800)
        tab.open(f"{url}/")
        tab.until(READY)
        assert tab.run("document.querySelector('#apply h2').textContent") == "Your piece"
        file = base64.b64encode(write(melody([(60 + k, k, k + 1) for k in range(8)]))).decode()
        tab.run(f"{GIVE}('{file}', 'melody.mid', 'drop')")
        tab.until(IDLE)
        for name in ("before", "after"):
            tab.until(f"document.querySelector('#{name}-element audio')?.duration > 1")
            assert tab.run(f"document.querySelector('#{name}-element img').naturalWidth > 50")
            assert tab.run(
                f"document.getElementById('{name}-sound').hidden && document.getElementById('{name}').hidden"
            )
        first = tab.run("document.querySelector('#after-element img').src")
        tab.run("document.getElementById('restyle').click()")
        tab.until(f"document.querySelector('#after-element img').src !== {first!r}")
        broken = base64.b64encode(b"no music").decode()
        tab.run(f"{GIVE}('{broken}', 'broken.mid', 'choose')")
        tab.until("document.getElementById('apply-status').textContent.includes('the body is not a piece')")
        assert tab.run("document.getElementById('after-element').hidden")
        assert tab.run("document.getElementById('before-element').hidden")
