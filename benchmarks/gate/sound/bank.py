"""The bank of sound: the built-in tones, or an archive of WAV files."""

import zipfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np

from benchmarks.gate.data import Data, Items
from benchmarks.gate.failure import Int64
from benchmarks.gate.generated import GeneratedBank, add_generator_options
from benchmarks.gate.sound.failures import FAILURES, Clips
from pipeline.arrays import Float32Array
from pipeline.media.audio.cuts import cut_waves
from pipeline.media.audio.settings import AudioSettings
from pipeline.media.audio.sound_file import read_recording
from pipeline.media.audio.tones import CLASSES, EACH, write_tone
from pipeline.media.audio.waves import to_picture
from pipeline.media.registry import MEDIA

EXAMPLES = """
    python -m benchmarks.gate sound                              the built-in tones
    python -m benchmarks.gate sound --source spoken-digits.zip   WAV files in train/CLASS/SPEAKER_TAKE.wav
    python -m benchmarks.gate sound --only noise                 failures whose name contains a word
    python -m benchmarks.gate sound --generator FOLDER           also sounds of an exported generator
"""

TRAINED = 0.5
"""Share of the clips that the classifier trains on; the others are reference and fresh clips, half each."""


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this bank."""
    parser.add_argument("--source", type=Path, help="archive of WAV files; default: the built-in tones")
    add_generator_options(parser)


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


def open_bank(options: Namespace) -> GeneratedBank[Clips]:
    """Load the clips, and turn them into pictures."""
    waves, labels, speakers, settings, classes = load(options.source)
    name, codec = options.source.stem if options.source else "tones", settings.codec
    pictures = np.concatenate([to_picture(part, codec) for part in np.array_split(waves, 20)])
    item = MEDIA["audio"].spec(settings, classes)
    order = np.random.default_rng(0).permutation(len(waves))
    trained, held_out = np.split(order, [round(TRAINED * len(order))])
    clips = Items(pictures, labels, name, item)

    def make_real(data: Data, fresh: Int64) -> Clips:
        chosen = held_out[fresh]
        names = [speakers[k] for k in chosen] if speakers else []
        return Clips(waves[chosen], labels[chosen], names, waves[trained], codec)

    data = Data(name, clips.take(trained, "train"), clips.take(held_out, "rest"), item)
    return GeneratedBank(data, FAILURES, make_real, options, name=f"sound-{name}")
