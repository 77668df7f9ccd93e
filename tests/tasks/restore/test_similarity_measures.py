"""The measures of restored clips: their gain over the inputs and over the baseline, and the gate over them."""

import numpy as np
import pytest
import torch

from pipeline.arrays import Items
from pipeline.media.audio.medium import AudioMedium
from pipeline.media.audio.settings import AudioSettings
from pipeline.media.audio.waves import read_waves, store_waves
from pipeline.media.registry import MEDIA
from pipeline.tasks.parts import apply_gate, measure_part
from pipeline.tasks.registry import TASKS
from pipeline.tasks.restore.restoration_measures import measures_for
from pipeline.tasks.restore.similarity_evaluation import material, rows_of, summary_line
from pipeline.tasks.restore.similarity_measures import measures_of_similarity
from pipeline.tasks.restore.similarity_trial import SimilarityTrial

AUDIO = AudioMedium()
SPEC = AUDIO.spec(AudioSettings(representation="wave", seconds=0.128, mels=16), ())
RNG = np.random.default_rng(0)
TONE = np.sin(0.3 * np.arange(1024)) * np.exp(-np.arange(1024) / 150)
CLEAN = store_waves((RNG.uniform(0.2, 0.5, (40, 1)) * TONE).astype(np.float32))


def noisy(decibels: float) -> Items:
    """Return the clean clips with white noise at a ratio of powers."""
    waves = read_waves(CLEAN)
    noise = RNG.normal(0, 1, waves.shape) * np.sqrt(np.square(waves).mean(axis=1, keepdims=True))
    return store_waves((waves + noise / 10 ** (decibels / 20)).astype(np.float32))


GIVEN = noisy(5)


def trial(restored: Items, title: str = "snr 5") -> SimilarityTrial:
    return SimilarityTrial(title, SPEC, CLEAN, GIVEN, restored)


def test_a_gain_is_measured_from_the_input_and_from_the_baseline() -> None:
    part = measure_part(trial(noisy(15)), measures_of_similarity(AUDIO), "", "")
    assert part.values["si_sdr_gain"] == pytest.approx(10, abs=0.5)
    assert part.values["si_sdr_baseline_gain"] > 0
    over = part.values["si_sdr_gain"] - part.values["si_sdr_baseline_gain"]
    assert part.values["si_sdr_over_baseline"] == pytest.approx(over)
    assert part.values["mel_error_gain"] > 0, "a smaller error is a gain"
    assert "snr 5 si_sdr_gain +" in summary_line([part])


@pytest.mark.parametrize(
    ("decibels", "words"), [(40, None), (2, "little gain over the input"), (6, "no better than the baseline")]
)
def test_the_gate_names_what_is_wrong(decibels: float, words: str | None) -> None:
    measures = [one for one in measures_of_similarity(AUDIO) if one.name.startswith(("si_sdr", "mel_error"))]
    gate = TASKS["restore"].gate(MEDIA["audio"])()
    verdict = apply_gate([measure_part(trial(noisy(decibels)), measures, "", "")], gate)
    assert (verdict.word == "pass") == (words is None)
    assert words is None or any(words in reason for reason in verdict.reasons)


def test_spectrograms_without_phases_are_compared_by_the_error_of_the_spectrogram_only() -> None:
    tensors = AUDIO.tensors(SPEC)
    waves = tensors.to_network(torch.from_numpy(np.array(CLEAN)))
    assert tensors.stand_in(waves, snr=(5, 5)) is None
    given = tensors.stand_in(waves, spectrogram=True)
    assert given is not None
    assert torch.equal(tensors.degradation(spectrogram=True)(waves, torch.Generator()), waves)
    data = SimilarityTrial("spectrogram", SPEC, CLEAN, given, CLEAN, stand_ins=True)
    part = measure_part(data, measures_of_similarity(AUDIO), "", "")
    assert not [name for name in part.values if name.startswith("si_sdr")]
    assert 0 < part.values["mel_error_gain"] < 2
    assert part.values["mel_error_over_baseline"] == pytest.approx(part.values["mel_error_gain"])
    assert list(material([data]).item_scores) == ["minus_mel_error"]
    assert len(rows_of(data)) > 1


@pytest.mark.parametrize(("named", "words"), [(39, "pass"), (38, "classes are lost")])
def test_the_classes_of_results_must_be_recognised(named: int, words: str) -> None:
    recognised = np.stack([np.arange(40) < 39, np.arange(40) < named], axis=1)
    data = SimilarityTrial("spectrogram", SPEC, CLEAN, GIVEN, CLEAN, stand_ins=True, recognised=recognised)
    measures = [one for one in measures_of_similarity(AUDIO) if one.name == "accuracy_kept"]
    verdict = apply_gate([measure_part(data, measures, "", "")], TASKS["restore"].gate(MEDIA["audio"])())
    assert words in (verdict.word, *verdict.reasons) or words in verdict.reasons[0]


def test_models_are_compared_clip_by_clip_if_every_result_is_finite() -> None:
    one, other = trial(noisy(15)), trial(noisy(15), "snr -2.5")
    assert {name: len(values) for name, values in material([one]).item_scores.items()} == {"si_sdr": 40}
    assert set(material([one, other]).item_scores) == {"si_sdr_snr_5", "si_sdr_snr_minus2p5"}
    one.nonfinite = 1
    assert not material([one]).item_scores


def test_the_report_plays_the_first_clips_and_those_that_gain_least() -> None:
    rows = rows_of(trial(noisy(15)))
    assert len(rows) > 4
    assert rows[-1][0].startswith("gains least")
    assert all(len(players) == 4 for _, players in rows)


def test_pictures_are_compared_as_before() -> None:
    task = TASKS["restore"]
    assert list(task.measures(MEDIA["image"])) == list(measures_for(MEDIA["image"]))
    assert "pipeline.tasks.restore.restoration_evaluation" in task.evaluation_modules(MEDIA["image"])
    assert "pipeline.tasks.restore.similarity_evaluation" in task.evaluation_modules(MEDIA["audio"])
    assert "pipeline.tasks.restore.restoration_evaluation" not in task.evaluation_modules(MEDIA["audio"])
