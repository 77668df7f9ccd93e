"""Degraded clips, how near restored ones are to their originals, and a recording on its way through a model."""

import io
import wave as wavefile
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from pipeline.media.audio.medium import AudioMedium
from pipeline.media.audio.settings import AudioSettings
from pipeline.media.audio.similarities import best_gate, mel_error, si_sdr
from pipeline.media.audio.waves import read_waves, store_waves
from pipeline.media.codec import BadItem
from pipeline.media.registry import tensors_of
from tests.media.audio.sounds import Wave, sine, sound

AUDIO = AudioMedium()
SPEC = AUDIO.spec(AudioSettings(representation="wave"), ())
TENSORS = tensors_of(SPEC)
WORD = np.asarray(1.2 * sine(440) * np.hanning(4096) ** 4, dtype=np.float32)
CLEAN = TENSORS.to_network(torch.from_numpy(store_waves(np.stack([WORD] * 8))))


def degraded(seed: int = 0, **options: Any) -> Wave:
    """Return degraded copies, [8, samples]."""
    result = TENSORS.degradation(**options)(CLEAN, torch.Generator().manual_seed(seed))
    return result.flatten(1).numpy()


def test_noise_has_the_stated_ratio() -> None:
    noise = degraded(snr=(5.0, 5.0)) - WORD
    ratio = 10 * np.log10(np.square(WORD).mean() / np.square(noise).mean())
    assert ratio == pytest.approx(5, abs=0.3)
    assert np.array_equal(degraded(snr=(5.0, 5.0)), degraded(snr=(5.0, 5.0)))
    assert not np.array_equal(degraded(snr=(5.0, 5.0)), degraded(1, snr=(5.0, 5.0)))


def test_clipping_cuts_and_a_band_limit_removes() -> None:
    assert np.abs(degraded(clipping=(0.5, 0.5))).max() == pytest.approx(0.3, abs=1e-3)
    noisy = np.random.default_rng(0).normal(0, 0.1, (1, 4096)).astype(np.float32)
    clean = TENSORS.to_network(torch.from_numpy(store_waves(noisy)))
    limited = TENSORS.degradation(band=(1000.0, 1000.0))(clean, torch.Generator()).flatten().numpy()
    power = np.abs(np.fft.rfft(limited)) ** 2
    assert power[2048 * 1010 // 4000 :].sum() < 1e-4 * power.sum()


def test_each_wave_gets_one_kind() -> None:
    changed = degraded(snr=(0.0, 0.0), clipping=(0.2, 0.2))
    cut = np.abs(changed).max(axis=1) < 0.2 * 0.6 + 1e-3
    assert 0 < cut.sum() < 8


def test_similarities_ignore_the_scale_where_they_say_so() -> None:
    clean = store_waves(np.stack([WORD] * 3))
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, 4096)
    noise *= np.sqrt(np.square(WORD).mean() / np.square(noise).mean()) / 10 ** (10 / 20)
    others = store_waves(np.stack([WORD, 0.5 * WORD, WORD + noise]).astype(np.float32))
    equal, quiet, noisy = si_sdr(others, clean, SPEC)
    assert (equal, quiet > 50, round(noisy)) == (60, True, 10)
    assert mel_error(clean, clean, SPEC).tolist() == [0, 0, 0]
    assert mel_error(others, clean, SPEC)[2] > 1
    silence = store_waves(np.zeros((1, 4096), dtype=np.float32))
    assert np.isfinite(si_sdr(silence, silence, SPEC)).all()
    assert np.isfinite(si_sdr(silence, clean[:1], SPEC)).all()


def test_the_spectral_gate_removes_noise_and_never_makes_it_worse() -> None:
    clean, given = store_waves(np.stack([WORD] * 8)), store_waves(degraded(snr=(5.0, 5.0)))
    gated = best_gate(given, clean, SPEC)
    before, after = (si_sdr(items, clean, SPEC) for items in (given, gated))
    assert after.mean() > before.mean() + 3
    assert np.array_equal(best_gate(clean, clean, SPEC), clean)
    assert best_gate(given[:0], clean[:0], SPEC).shape == given[:0].shape


def test_the_spectral_gate_has_one_strength_for_all_clips() -> None:
    clean = store_waves(np.stack([WORD] * 8))
    given = np.concatenate([clean[:1], store_waves(degraded(snr=(5.0, 5.0)))[1:]])
    # Alone, the clean clip would be left as it is.
    assert not np.array_equal(best_gate(given, clean, SPEC)[0], clean[0])


def test_a_recording_keeps_its_length_and_level() -> None:
    samples = 0.4 * sine(440, seconds=1.3)
    source = AUDIO.decode_one(sound(samples), SPEC, own_size=False, largest=10**6)
    assert source.values.shape == (1, len(samples), 1)
    assert np.abs(read_waves(source.values[None])).max() == pytest.approx(0.95, abs=0.01)
    file = AUDIO.encode_result(source.values, SPEC, source)
    with wavefile.open(io.BytesIO(file.data)) as result:
        assert (result.getnframes(), result.getframerate()) == (len(samples), 8000)
        levels = np.frombuffer(result.readframes(20_000), dtype="<i2")
    assert levels.max() / 32_767 == pytest.approx(0.2, abs=0.01)
    assert file.losses == ()


def test_what_a_recording_loses_is_stated() -> None:
    out = io.BytesIO()
    soundfile.write(out, np.stack([sine(440, 16_000), sine(440, 16_000)], axis=1), 16_000, format="FLAC")
    assert AUDIO.encoded_size(out.getvalue())[0] == 1
    source = AUDIO.decode_one(out.getvalue(), SPEC, own_size=False, largest=10**6)
    assert AUDIO.encode_result(source.values, SPEC, source).losses == (
        "2 channels became one",
        "resampled to the model's 8,000 samples a second",
    )
    with pytest.raises(BadItem, match=r"data\.limits\.samples 100"):
        AUDIO.decode_one(out.getvalue(), SPEC, own_size=False, largest=100)
    with pytest.raises(BadItem, match="not an audio file"):
        AUDIO.encoded_size(b"no sound")
