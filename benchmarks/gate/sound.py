"""The same for audio: real clips, broken in ways that a listener would name, must be rejected under the right name.

    python -m benchmarks.gate.sound                              the built-in tones
    python -m benchmarks.gate.sound --source spoken-digits.zip   WAV files in train/CLASS/SPEAKER_TAKE.wav
    python -m benchmarks.gate.sound --draws 20                   false alarms among real clips, in so many splits
    python -m benchmarks.gate.sound --only noise                 failures whose name contains a word
    python -m benchmarks.gate.sound --generator generator.onnx   share of the sounds of a generator that are as asked

Waves are broken and turned into pictures again. The exit code is 1 if a target is missed.
"""

import argparse
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.gate.data import Images
from benchmarks.gate.failure import Int64, UInt8
from benchmarks.gate.results import list_failures
from pipeline.arrays import Float32Array, FloatArray
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.media.audio.cuts import cut_waves
from pipeline.media.audio.mel_codec import MelCodec
from pipeline.media.audio.settings import AudioSettings
from pipeline.media.audio.sound_file import read_recording, resample
from pipeline.media.audio.tones import CLASSES, EACH, recognise, write_tone
from pipeline.media.audio.waves import to_picture
from pipeline.media.registry import MEDIA
from pipeline.serving.runtime.generator import BATCH, Generator
from pipeline.tasks.generate.evaluator import Evaluator
from pipeline.tasks.registry import TASKS

TRAINED = 0.5
"""Share of the clips that the classifier trains on; the others are reference and fresh clips, half each."""


@dataclass(frozen=True)
class Clips:
    """Waves with labels and speakers.

    Attributes:
        waves: float32 [n, samples].
        labels: int64 [n].
        speakers: Names; empty if they are not known.
        train: Waves that the training split holds.
    """

    waves: Float32Array
    labels: Int64
    speakers: list[str]
    train: Float32Array
    codec: MelCodec


Break = Callable[[Clips, np.random.Generator], tuple[Float32Array, Int64]]
"""(fresh clips, random generator) -> broken waves, with the labels that they claim."""


@dataclass(frozen=True)
class Fault:
    """A failure of a generator, and the failure modes that the verdict may name first."""

    key: str
    names: tuple[str, ...]
    apply: Break
    asks: bool = False
    speakers: bool = False


def each(change: Callable[[Float32Array, Clips, np.random.Generator], FloatArray]) -> Break:
    """Return the fault that changes all waves in the same way."""
    return lambda clips, rng: (np.asarray(change(clips.waves, clips, rng), dtype=np.float32), clips.labels)


def select(rule: Callable[[Clips, np.random.Generator], Int64]) -> Break:
    """Return the fault that keeps the clips at some positions."""

    def apply(clips: Clips, rng: np.random.Generator) -> tuple[Float32Array, Int64]:
        chosen = rule(clips, rng)
        return clips.waves[chosen], clips.labels[chosen]

    return apply


def add_noise(waves: Float32Array, clips: Clips, rng: np.random.Generator) -> Float32Array:
    """Add white noise 20 dB below each clip."""
    level = np.sqrt(np.square(waves).mean(axis=1, keepdims=True))
    return np.asarray(waves + 0.1 * level * rng.standard_normal(waves.shape), dtype=np.float32)


def low_pass(waves: Float32Array, clips: Clips, rng: np.random.Generator) -> Float32Array:
    """Remove what lies above a quarter of the band."""
    spectra = np.fft.rfft(waves, axis=1)
    spectra[:, spectra.shape[1] // 4 :] = 0
    return np.asarray(np.fft.irfft(spectra, waves.shape[1], axis=1), dtype=np.float32)


def higher(waves: Float32Array, clips: Clips, rng: np.random.Generator) -> Float32Array:
    """Play every clip a fifth too fast: 3.2 semitones higher."""
    out = np.zeros_like(waves)
    for row, wave in zip(out, waves, strict=True):
        fast = resample(wave, 1200, 1000)[: len(row)]
        row[: len(fast)] = fast
    return out


def silence_some(waves: Float32Array, clips: Clips, rng: np.random.Generator) -> Float32Array:
    """Replace one clip in ten by silence."""
    return np.asarray(waves * (rng.random(len(waves)) > 0.1)[:, None], dtype=np.float32)


def without_class(clips: Clips, rng: np.random.Generator) -> Int64:
    """Return the clips of all classes but the last."""
    return np.flatnonzero(clips.labels != clips.labels.max())


def one_speaker(clips: Clips, rng: np.random.Generator) -> Int64:
    """Return the clips of one speaker."""
    return np.flatnonzero(np.array(clips.speakers) == clips.speakers[0])


def copy_training(clips: Clips, rng: np.random.Generator) -> tuple[Float32Array, Int64]:
    """Replace half of the clips by training clips."""
    chosen = rng.permutation(len(clips.train))[: len(clips.waves) // 2]
    return np.concatenate([clips.train[chosen], clips.waves[len(chosen) :]]), clips.labels


def swap_labels(clips: Clips, rng: np.random.Generator) -> tuple[Float32Array, Int64]:
    """Claim the label of another clip for one clip in three."""
    labels, moved = clips.labels.copy(), rng.random(len(clips.labels)) < 1 / 3
    labels[moved] = rng.permutation(labels[moved])
    return clips.waves, labels


DIVERSITY = ("low diversity", "low diversity within classes", "repeated samples", "complete mode collapse")
FAULTS = (
    Fault("class dropped", ("dropped classes",), select(without_class)),
    Fault(
        "one speaker",
        (*DIVERSITY, "intra-class collapse", "wrong timbre", "low fidelity or diversity"),
        select(one_speaker),
        speakers=True,
    ),
    Fault("30 clips", DIVERSITY, select(lambda clips, rng: rng.integers(0, 30, len(clips.waves)))),
    Fault("backwards", ("backwards", "wrong classes"), each(lambda waves, clips, rng: waves[:, ::-1])),
    Fault("noise at 20 dB", ("noisy",), each(add_noise)),
    Fault("clipped", ("clipped",), each(lambda waves, clips, rng: np.clip(4 * waves, -0.95, 0.95))),
    Fault("higher", ("pitch shifted", "wrong timbre"), each(higher)),
    Fault("band limited", ("band limited",), each(low_pass)),
    Fault("half as loud", ("wrong loudness",), each(lambda waves, clips, rng: waves / 2)),
    Fault("one in ten silent", ("silent samples",), each(silence_some)),
    Fault("copies", ("memorisation",), copy_training),
    Fault("labels swapped", ("wrong classes",), swap_labels, asks=True),
    Fault("delayed", ("delayed",), each(lambda waves, clips, rng: np.roll(waves, 400, axis=1))),
)


def load(source: Path | None) -> tuple[Float32Array, Int64, list[str], AudioSettings, tuple[str, ...]]:
    """Return waves, labels, speakers, settings and class names of a source; of the tones without one."""
    if source is None:
        settings = AudioSettings()
        pairs = [(f"{name}/x.wav", write_tone(k, i)) for k, name in enumerate(CLASSES) for i in range(EACH)]
    else:
        settings = AudioSettings(trim=26, long="first")
        with zipfile.ZipFile(source) as archive:
            names = [name for name in sorted(archive.namelist()) if name.endswith(".wav")]
            pairs = [(name, archive.read(name)) for name in names]
    waves = [next(cut_waves(read_recording(data, settings.limits), settings))[0] for _, data in pairs]
    parts = [name.split("/")[-2:] for name, _ in pairs]
    classes = sorted({label for label, _ in parts})
    labels = np.array([classes.index(label) for label, _ in parts], dtype=np.int64)
    speakers = [] if source is None else [name.partition("_")[0] for _, name in parts]
    return np.stack(waves), labels, speakers, settings, tuple(classes)


class Bench:
    """Evaluates broken clips of one source."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.waves, self.labels, self.speakers, settings, classes = load(options.source)
        self.codec = settings.codec
        self.pictures: UInt8 = np.concatenate([to_picture(part, self.codec) for part in np.array_split(self.waves, 20)])
        self.item = MEDIA["audio"].spec(settings, classes)
        order = np.random.default_rng(0).permutation(len(self.waves))
        self.train, self.rest = np.split(order, [round(TRAINED * len(order))])
        gate = TASKS["generate"].gate(MEDIA["audio"])
        self.settings = EvaluateSettings(samples=len(self.rest), gate=gate())
        self.cache: Path = options.cache
        self.name = options.source.stem if options.source else "tones"

    def images(self, chosen: Int64, name: str) -> Images:
        """Return clips as a split."""
        return Images(self.pictures[chosen], self.labels[chosen], f"{self.name} {len(chosen)} {name}")

    def split(self, seed: int) -> tuple[Evaluator, Clips, UInt8]:
        """Return an evaluator on one half of the clips that are not for training, and the other half."""
        order = np.random.default_rng(seed).permutation(self.rest)
        test, fresh = np.split(order, [len(order) // 2])
        train, reference = self.images(self.train, "train"), self.images(test, str(seed))
        evaluator = Evaluator(train, reference, self.item, self.settings, torch.device("cpu"), cache=self.cache)
        speakers = [self.speakers[k] for k in fresh] if self.speakers else []
        clips = Clips(self.waves[fresh], self.labels[fresh], speakers, self.waves[self.train], self.codec)
        return evaluator, clips, self.pictures[fresh]


def count_as_asked(model: Path, samples: int) -> None:
    """Print the share of an exported generator's sounds that are what their label says, by the rules of the tones."""
    generator = Generator(model)
    rate = MelCodec.of(generator.metadata.item).sample_rate
    right = np.zeros((len(generator.classes), 2), dtype=np.int64)
    for start in range(0, samples, BATCH):
        n = min(BATCH, samples - start)
        labels = np.arange(start, start + n) % len(generator.classes)
        inputs = {"z": generator.latents(0, start, n), "label": labels}
        for label, wave in zip(labels, generator.session.run(["audio"], inputs)[0][:, 0], strict=True):
            right[label] += (recognise(wave, rate) == generator.classes[label], 1)
    for name, (good, total) in zip(generator.classes, right, strict=True):
        print(f"{name:14} {good} of {total} as asked")
    print(f"{right[:, 0].sum() / right[:, 1].sum():.2%} of {samples} sounds are as asked")


def main() -> int:
    """Run the benchmark; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate.sound", description=__doc__)
    parser.add_argument("--source", type=Path, help="archive of WAV files; default: the built-in tones")
    parser.add_argument("--draws", type=int, default=20, help="splits in which real clips must raise no alarm")
    parser.add_argument("--only", default="", help="run only the failures whose name contains this text")
    parser.add_argument("--cache", type=Path, default=Path(".ganline/benchmarks"), help="cache of classifiers")
    parser.add_argument(
        "--generator", type=Path, help="only count the sounds of a generator of tones that are as asked"
    )
    options = parser.parse_args()
    if options.generator:
        count_as_asked(options.generator, 1000)
        return 0
    bench, missed = Bench(options), 0
    evaluator, clips, _ = bench.split(0)
    for fault in FAULTS:
        if options.only not in fault.key or (fault.speakers and not clips.speakers):
            continue
        waves, labels = fault.apply(clips, np.random.default_rng(1))
        result = evaluator.evaluate(to_picture(waves, bench.codec), labels=labels if fault.asks else None)
        named = list_failures(result)
        right = bool(named) and named[0] in fault.names
        missed += not right
        failed = ", ".join(f"{test.name} {test.value:.3g}" for test in result.verdict.tests if test.state == "fail")
        print(f"{fault.key:20} {'right' if right else 'WRONG':6} {'; '.join(named) or 'pass'} | {failed}", flush=True)
    alarms = 0
    for seed in range(1, options.draws + 1):
        evaluator, clips, pictures = bench.split(seed)
        named = list_failures(evaluator.evaluate(pictures, labels=clips.labels if seed % 2 else None))
        alarms += bool(named)
        print(f"real clips, draw {seed}: {'; '.join(named) or 'pass'}", flush=True)
    print(f"{missed} faults missed, {alarms} false alarms in {options.draws} draws")
    return 1 if missed or alarms else 0


if __name__ == "__main__":
    sys.exit(main())
