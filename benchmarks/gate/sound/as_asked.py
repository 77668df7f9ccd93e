"""Count the sounds of a generator of tones that are what their label says, by the exact rules of the tones.

python -m benchmarks.gate.sound.as_asked exported/generator.onnx
"""

import argparse
from pathlib import Path

import numpy as np

from pipeline.media.audio.mel_codec import MelCodec
from pipeline.media.audio.tones import recognise
from pipeline.serving.runtime.generator import BATCH, Generator


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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate.sound.as_asked", description=__doc__)
    parser.add_argument("generator", type=Path, help="exported generator of tones")
    parser.add_argument("--samples", type=int, default=1000, help="number of sounds")
    options = parser.parse_args()
    count_as_asked(options.generator, options.samples)
