"""Clips that are stored as waves: they keep their samples, and are measured by the same pictures as any clip."""

import io
import wave

import numpy as np
import pytest
import torch

from pipeline.evaluation.extractors.classifier_network import ClassifierNetwork
from pipeline.evaluation.extractors.contrastive import ContrastiveNetwork
from pipeline.evaluation.extractors.random_network import open_random_network
from pipeline.items import ItemSpec
from pipeline.media.audio.medium import AudioMedium
from pipeline.media.audio.mel_codec import MelCodec
from pipeline.media.audio.settings import AudioSettings
from pipeline.media.audio.waves import from_pictures, pictures_of, read_waves
from pipeline.media.registry import tensors_of
from tests.media.audio.sounds import sine, sound

AUDIO = AudioMedium()
SETTINGS = AudioSettings(representation="wave", peak=None)
SPEC = AUDIO.spec(SETTINGS, ("a", "b"))
PICTURES = AUDIO.spec(AudioSettings(), ("a", "b"))
CLIPS = [sine(220) * np.linspace(1, 0, 4096), 0.2 * sine(1300), np.random.default_rng(0).normal(0, 0.1, 4096)]


@pytest.fixture(scope="module")
def items() -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    decoded = [next(AUDIO.decode(sound(clip), SETTINGS)).values for clip in CLIPS]
    return np.stack(decoded)


def test_a_wave_keeps_its_samples_of_16_bits(items: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> None:
    SPEC.check(items)
    with wave.open(io.BytesIO(AUDIO.encode(items[0], SPEC).data)) as file:
        written = np.frombuffer(file.readframes(5000), dtype="<i2")
    assert (file.getframerate(), len(written)) == (8000, 4096)
    assert np.abs(written.astype(int) - items[0, 0, :, 0]).max() <= 1
    tensors = tensors_of(SPEC)
    again = tensors.from_network(tensors.to_network(torch.from_numpy(items)))
    assert np.array_equal(again, items)
    assert np.array_equal(AUDIO.from_network(AUDIO.to_network(items, SPEC), SPEC), items)


def test_the_codec_is_in_the_spec() -> None:
    assert MelCodec.of(ItemSpec.model_validate_json(SPEC.model_dump_json())) == SETTINGS.codec
    assert tensors_of(SPEC).feature_item == PICTURES
    assert AUDIO.extent(SPEC.height, SPEC.width) == "4,096 samples"


def test_extractors_see_the_picture_that_is_stored_otherwise(
    items: np.ndarray[tuple[int, ...], np.dtype[np.int16]],
) -> None:
    seen = tensors_of(SPEC).to_features(torch.from_numpy(items)).numpy()
    stored = np.stack([next(AUDIO.decode(sound(clip), AudioSettings(peak=None))).values for clip in CLIPS])
    pictures = pictures_of(items, SPEC)
    assert np.abs(pictures.astype(int) - stored).max() <= 1, "16 bits and 8 bits round differently"
    assert np.abs(seen - pictures.transpose(0, 3, 1, 2)).max() < 0.6
    for network in (ClassifierNetwork(SPEC), ContrastiveNetwork(SPEC)):
        assert network.eval()(torch.from_numpy(seen)).shape[0] == 3
    assert np.isfinite(open_random_network(SPEC, torch.device("cpu")).features(items)).all()


def test_the_picture_of_silence_has_gradients() -> None:
    silence = torch.zeros(1, 1, 1, 4096, requires_grad=True)
    tensors_of(SPEC).network_to_features(silence).sum().backward()  # type: ignore[no-untyped-call]
    assert silence.grad is not None
    assert bool(silence.grad.isfinite().all())


def test_measures_of_sound_are_those_of_the_picture(
    items: np.ndarray[tuple[int, ...], np.dtype[np.int16]],
) -> None:
    pictures = pictures_of(items, SPEC)
    ours, theirs = AUDIO.statistics(items, SPEC), AUDIO.statistics(pictures, PICTURES)
    for name, values in ours.items():
        assert np.array_equal(values, theirs[name])
    for mine, other in zip(AUDIO.profiles(SPEC), AUDIO.profiles(PICTURES), strict=True):
        assert np.array_equal(mine.values(items), other.values(pictures))
    assert AUDIO.preview(items, SPEC).size == AUDIO.preview(pictures, PICTURES).size
    assert '<audio controls src="data:audio/wav' in AUDIO.html(items[0], SPEC)


@pytest.mark.parametrize(("name", "by"), [("backwards", 0), ("delayed", 256)])
def test_a_change_of_all_waves_is_found_and_undone(name: str, by: int) -> None:
    rng = np.random.default_rng(0)
    clips = [rng.normal(0, 0.2, 4096) * np.exp(-np.arange(4096) / 600) for _ in range(12)]
    real = np.stack([next(AUDIO.decode(sound(clip), SETTINGS)).values for clip in clips])
    fake = np.roll(real, by, axis=2) if by else real[:, :, ::-1]
    profile = next(one for one in AUDIO.profiles(SPEC) if one.name == "placement")
    assert profile.change is not None
    means = [profile.values(waves).mean(axis=0) for waves in (fake, real)]
    change = profile.change(*means)
    assert change is not None
    assert change.name == name
    undone = profile.values(change.undo(fake)).mean(axis=0)
    assert np.abs(undone - means[1]).mean() < 0.5 * np.abs(means[0] - means[1]).mean()


def test_pictures_become_waves_again(items: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> None:
    pictures = pictures_of(items, SPEC)
    found = from_pictures(pictures, SPEC)
    SPEC.check(found)
    loud = pictures > 160
    assert np.abs(pictures_of(found, SPEC)[loud].astype(int) - pictures[loud]).mean() < 8
    assert from_pictures(pictures, PICTURES) is pictures
    joined, spec = AUDIO.join(items, SPEC)
    assert read_waves(joined[None]).shape == (1, 3 * 4096)
    assert len(AUDIO.encode(joined, spec).data) > 2 * 3 * 4096


def test_a_constant_offset_of_generated_waves_is_heard() -> None:
    """Waves joined from windows, or by a generator, may have one, and it clicks."""
    batch = np.stack([next(AUDIO.decode(sound(clip), SETTINGS)).values for clip in CLIPS])
    moved = np.clip(batch.astype(int) + round(0.02 * 32_767), -32_767, 32_767).astype(np.int16)
    lowest = [float(pictures_of(each, SPEC)[:, 0].mean()) * 80 / 255 for each in (batch, moved)]
    assert lowest[1] - lowest[0] > 6, "decibels in the lowest band"
