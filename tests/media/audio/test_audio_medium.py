"""Recordings become pictures of one size, and pictures become sounds again."""

import io
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
import soundfile

from pipeline.data.sources import open_source
from pipeline.errors import InputError
from pipeline.items import ItemSpec
from pipeline.media.audio.medium import AudioMedium
from pipeline.media.audio.mel_codec import MelCodec
from pipeline.media.audio.settings import AudioSettings
from pipeline.media.audio.sound_writer import write_sound
from pipeline.media.codec import Item
from pipeline.params import parse
from tests.media.audio.sounds import Wave, sine, sound

AUDIO = AudioMedium()
SETTINGS = AudioSettings()
SPEC = AUDIO.spec(SETTINGS, ())


def items(samples: Wave, rate: int = 8000, **settings: Any) -> list[Item]:
    """Decode a wave."""
    return list(AUDIO.decode(sound(samples, rate), AudioSettings(**settings)))


def band_of(hertz: float) -> int:
    """Return the mel band around a frequency."""
    codec = SETTINGS.codec
    edges = np.linspace(0, 2595 * np.log10(1 + 4000 / 700), codec.mels + 2)
    return int(np.abs(edges[1:-1] - 2595 * np.log10(1 + hertz / 700)).argmin())


@pytest.mark.parametrize("rate", [8000, 44_100])
@pytest.mark.parametrize("hertz", [220, 1000, 3000])
def test_a_sine_lights_its_band_at_every_rate(hertz: float, rate: int) -> None:
    (item,) = items(sine(hertz, rate), rate)
    assert abs(int(item.values[:, 16, 0].argmax()) - band_of(hertz)) <= 1
    assert item.values.shape == SPEC.shape
    assert item.facts["rate"] == rate
    assert set(item.facts) == {fact.name for fact in AUDIO.facts}


def test_a_picture_keeps_its_levels_through_sound_and_back() -> None:
    samples = (sine(440) + sine(1300, level=0.1)) * np.hanning(4096)
    (item,) = items(samples)
    file = AUDIO.encode(item.values, SPEC)
    assert file.mime_type == "audio/wav"
    (again,) = AUDIO.decode(file.data, AudioSettings(peak=None))
    loud = item.values > 160  # -30 dB
    apart = (again.values.astype(int) - item.values.astype(int))[loud] * 80 / 255
    assert np.abs(apart - np.median(apart)).mean() < 1, "decibels, beyond the level of the file"


def test_waves_have_the_same_bytes_at_every_call_and_in_every_batch() -> None:
    values = np.random.default_rng(0).integers(0, 256, (3, *SPEC.shape), dtype=np.uint8)
    alone = AUDIO.waves(values[1:2], SPEC)[0]
    assert np.abs(AUDIO.waves(values, SPEC)[1] - alone).max() < 1e-3 * np.abs(alone).max()
    assert AUDIO.encode(values[1], SPEC).data == AUDIO.encode(values[1], SPEC).data


def test_long_recordings_are_cut_and_short_ones_padded() -> None:
    found = items(sine(440, seconds=0.512 * 2.4))
    assert [round(float(item.facts["start"]), 3) for item in found] == [0.0, 0.512], (
        "a rest below half an item is left out"
    )
    assert len(items(sine(440, seconds=0.512 * 2.6))) == 3
    assert len(items(sine(440, seconds=3), long="first")) == 1
    (short,) = items(sine(440, seconds=0.128))
    assert short.facts["padded_share"] == pytest.approx(0.75)
    assert short.values[:, 12:].max() < short.values[:, :7].max() / 4


def test_cuts_do_not_click() -> None:
    click = items(sine(440, seconds=1.024))[0].values[-8:, -2:]
    assert click.max() < 128


def test_silence_at_the_ends_is_trimmed_and_levels_are_equalised() -> None:
    quiet = np.concatenate([np.zeros(4000), sine(440, seconds=0.2, level=0.01), np.zeros(4000)])
    (item,) = items(quiet, trim=26)
    assert item.values[:, 3].max() > 200, "the sound begins after 10 ms, at full level"
    assert float(item.facts["level_db"]) < -40, "the level of the file"
    (kept,) = items(sine(440, level=0.01), peak=None)
    assert kept.values.max() < 140


@pytest.mark.parametrize(("samples", "words"), [(np.zeros(4096), "-160 dB"), (np.full(4096, 0.3), "offset of 0.3")])
def test_silence_stays_silent_and_is_set_aside(samples: Wave, words: str) -> None:
    (item,) = items(samples)
    assert item.values.max() == 0
    rows = pd.DataFrame([dict(item.facts), dict(items(sine(440))[0].facts)])
    (defect,) = AUDIO.defects(rows, AUDIO.Validation(), "none")
    assert list(defect.rows) == [True, False]
    assert words in defect.details[0]


def test_expectations_name_what_is_odd() -> None:
    clipped = np.clip(sine(440, level=3), -1, 1)
    facts = [dict(items(one)[0].facts) for one in (clipped, np.zeros(4096), sine(440) + 0.1, sine(440, seconds=0.1))]
    facts.append(dict(items(sine(440, 4000), 4000)[0].facts))
    expected = AUDIO.expectations(pd.DataFrame(facts), pd.DataFrame(facts), AUDIO.Validation())
    assert {one.key: one.message.split(" items")[0] for one in expected} == {
        "max_silent_share": "1 of 5 (20.00%)",
        "max_clipped_share": "1 of 5 (20.00%)",
        "max_offset_share": "1 of 5 (20.00%)",
        "max_padded_share": "1 of 5 (20.00%)",
        "max_upsampled_share": "1 of 5 (20.00%)",
    }


def test_loud_sounds_are_scaled_and_not_wrapped() -> None:
    data, losses = write_sound(np.array([0.5, -2.0, 1.0], dtype=np.float32), 8000, ".wav")
    with wave.open(io.BytesIO(data)) as file:
        levels = np.frombuffer(file.readframes(3), "<i2")
    assert levels.tolist() == [8192, -32767, 16384]
    assert losses == ("made quieter by 6.0 dB: it exceeded full scale",)


def test_flac_holds_the_same_samples_as_wav() -> None:
    values = np.full(SPEC.shape, 150, dtype=np.uint8)
    wav, flac = (soundfile.read(io.BytesIO(AUDIO.encode(values, SPEC, suffix).data))[0] for suffix in (".wav", ".flac"))
    assert np.array_equal(wav, flac)


def test_an_item_is_shown_as_spectrogram_and_player() -> None:
    html = AUDIO.html(np.zeros(SPEC.shape, dtype=np.uint8), SPEC)
    assert 'src="data:image/png;base64,' in html
    assert 'src="data:audio/wav;base64,' in html
    low = np.zeros((1, *SPEC.shape), dtype=np.uint8)
    low[0, 0] = 255
    sheet = np.asarray(AUDIO.preview(low, SPEC, 1, 32))
    assert sheet[33].min() > 150, "low frequencies are at the bottom"
    assert sheet[2:32, 2:34].max() < 10


def test_the_codec_is_stored_with_the_items() -> None:
    assert MelCodec.of(ItemSpec.model_validate_json(SPEC.model_dump_json())) == SETTINGS.codec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hop: 100", "data: window 256 with hop 100: .* set window: 200, or 400"),
        ("seconds: 0.5", r"data: seconds 0.5 .* 31.25 columns, .* set seconds: 0.496"),
        ("low_hz: 5000", "data: low_hz 5000 and high_hz 4000"),
        ("high_hz: 5000", "between 0 and half of sample_rate, 4000"),
        ("mels: 48", "data.mels by seconds x sample_rate / hop 48 x 32: variant dcgan needs squares"),
    ],
)
def test_impossible_settings_are_refused_with_the_remedy(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(f"data: {{medium: audio, {text}}}\nmodel: {{variant: dcgan}}\n", "params.yaml")


def test_variants_that_transform_items_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"denoise transforms items, .* set data.representation: wave, or choose one of vanilla, dcgan"
    ):
        parse("data: {medium: audio}\nmodel: {variant: denoise}\n", "params.yaml")


def test_numpy_arrays_are_no_source_of_clips(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((4, 100)))
    with pytest.raises(InputError, match=r"the file is none of .*\.parquet"):
        open_source(AUDIO, AudioSettings(source=str(path)), tmp_path, tmp_path)
