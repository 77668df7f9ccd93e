"""The judgement of restored images: one trial for each kind of degradation, its numbers, and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np

from pipeline.arrays import Float32Array, UInt8Array
from pipeline.evaluation.comparison import Material
from pipeline.evaluation.extractors.base import Extractor, Held, extract
from pipeline.evaluation.measures.fid import fid
from pipeline.evaluation.measures.image_similarity import Nearness, nearness, sharpness
from pipeline.evaluation.protocol import QUANTISED
from pipeline.evaluation.report import Row, number
from pipeline.evaluation.verdict import Test, Verdict, finite_test
from pipeline.tasks.restore.settings import RestorationGate

BATCH = 256
FEWEST = 100  # squares on either side, without which a Fréchet distance says nothing

EXPLAINED = {
    "finite images": "images without NaN or Inf",
    "gain": "dB of PSNR (RGB) over the input",
    "ssim_gain": "SSIM (RGB) over that of the input",
    "worst_gain": "dB of the image that gains least",
    "texture": "Fréchet distance of texture features to the originals, over that of the inputs",
    "sharpness": "difference between neighbouring pixels over that of the originals",
    "shift": "8-bit levels by which the mean colour moved",
    "psnr": "dB, RGB",
    "psnr_y": "dB, luma",
    "ssim": "RGB",
    "ssim_y": "luma",
    "perceptual": "mean absolute difference of VGG19's conv5_4 from the original's",
}

GAINS = {"psnr": "gain", "psnr_y": "gain_y", "ssim": "ssim_gain", "ssim_y": "ssim_y_gain"}

ADVICE = {
    "gain": "train longer (train.total_images), with more model.blocks or model.generator_channels; an adversarial part costs PSNR: raise "
    "model.pretraining or model.weights.pixel, or allow for it in evaluate.gate.gain",
    "texture": "restored images are too smooth or carry artefacts: train longer, or raise model.weights.perceptual; with model.pretraining 1 smoothness "
    "is what the loss asks for",
    "sharpness": "the discriminator's part adds noise: lower model.weights.adversarial, or raise model.weights.pixel",
    "shift": "colours drift: lower train.learning_rate, or raise model.weights.pixel",
}


@dataclass
class Trial:
    """One kind of degradation over all held-out images; `border` pixels are cut off before anything is compared."""

    name: str
    border: int
    made: list[Nearness] = field(default_factory=list)
    given: list[Nearness] = field(default_factory=list)
    nonfinite: int = 0
    psnrs: list[float] = field(default_factory=list)  # of all images, 0 where one is not finite
    own: list[tuple[Mapping[str, float], Mapping[str, float]]] = field(
        default_factory=list
    )  # the variant's distances: restored and input
    sharp: list[tuple[float, float]] = field(default_factory=list)  # restored and original
    shifts: list[float] = field(default_factory=list)
    texture: float | None = None  # Fréchet distances to the originals, None of too few squares
    texture_given: float | None = None
    squares: tuple[Float32Array, Float32Array] | None = None  # features [n, d], restored and original

    def add(self, given: UInt8Array, made: UInt8Array | None, original: UInt8Array) -> None:
        """One image uint8 [H, W, C]: the input enlarged to its size, what became of it (None where that is not finite), and what it was."""
        if made is None:
            self.nonfinite += 1
            self.psnrs.append(0.0)
            return
        self.given.append(nearness(given, original, self.border))
        self.made.append(nearness(made, original, self.border))
        self.psnrs.append(self.made[-1].psnr)
        self.sharp.append((sharpness(made), sharpness(original)))
        self.shifts.append(float(np.abs(made.mean(axis=(0, 1)) - original.mean(axis=(0, 1))).max()))

    @property
    def gains(self) -> list[float]:
        return [made.psnr - given.psnr for made, given in zip(self.made, self.given, strict=True)]

    def compare_texture(self, extractor: Extractor, given: UInt8Array, made: UInt8Array, original: UInt8Array) -> None:
        """Fréchet distances over equal squares [n, S, S, C] of all images."""
        if len(original) < FEWEST:
            return
        real, ours, theirs = (extract(extractor, Held(squares), BATCH) for squares in (original, made, given))
        self.texture, self.texture_given, self.squares = fid(ours, real), fid(theirs, real), (ours, real)

    def numbers(self) -> dict[str, float | int | None]:
        """Means over the images, by name; nothing but the count where none is finite."""
        found: dict[str, float | int | None] = {"images": len(self.made), "nonfinite": self.nonfinite}
        if not self.made:
            return found
        for name in ("psnr", "ssim", "psnr_y", "ssim_y"):
            ours, theirs = (fmean(getattr(one, name) for one in side) for side in (self.made, self.given))
            found |= {name: ours, f"input_{name}": theirs, GAINS[name]: ours - theirs}
        made, original = (fmean(pair[side] for pair in self.sharp) for side in (0, 1))
        for name in self.own[0][0] if self.own else ():
            ours, theirs = (fmean(pair[side][name] for pair in self.own) for side in (0, 1))
            found |= {name: ours, f"input_{name}": theirs}
        found |= {
            "worst_gain": min(self.gains),
            "shift": max(self.shifts),
            "sharpness": made / original if original > 0 else None,
        }
        ratio = None if self.texture is None or not self.texture_given else self.texture / self.texture_given
        return found | {"fid": self.texture, "input_fid": self.texture_given, "texture": ratio}


def metrics(trials: Sequence[Trial]) -> dict[str, float | int | None]:
    """Flat: the first trial's numbers by their names, and every trial's with its own behind them."""
    of_each = {f"{name}_{slug(trial.name)}": value for trial in trials for name, value in trial.numbers().items()}
    return trials[0].numbers() | (of_each if len(trials) > 1 else {})


def material(trials: Sequence[Trial]) -> Material:
    """By the names of `metrics`: PSNR of each image in each trial, and texture where every image is finite."""
    suffix = {trial.name: f"_{slug(trial.name)}" if len(trials) > 1 else "" for trial in trials}
    return Material(
        {f"psnr{suffix[trial.name]}": np.array(trial.psnrs) for trial in trials},
        {suffix[trial.name]: trial.squares for trial in trials if trial.squares is not None and not trial.nonfinite},
        kernel=False,
    )


def slug(name: str) -> str:
    return name.replace(" ", "_").replace(".", "p")


def judge(trials: Sequence[Trial], gate: RestorationGate) -> Verdict:
    """Every test in every trial; `reasons` name the trial, the numbers and what to try."""
    verdict = Verdict()
    for trial in trials:
        found = trial.numbers()
        total = len(trial.made) + trial.nonfinite
        here = f" ({trial.name})" if len(trials) > 1 else ""
        verdict.tests.append(finite_test(f"finite images{here}", len(trial.made), total))
        if trial.nonfinite:
            verdict.reasons.append(
                f"non-finite images{here}: {trial.nonfinite:,} of {total:,} hold NaN or Inf. Try a lower train.learning_rate"
            )
        bounds = [(name, getattr(gate, name), -1) for name in ("gain", "ssim_gain", "worst_gain")]
        bounds += [(name, getattr(gate, name), 1) for name in ("texture", "sharpness", "shift")]
        for name, limit, side in bounds:
            value = found.get(name)
            failed = value is not None and limit is not None and (value - limit) * side > 0
            bound = f"{'<=' if side > 0 else '>='} {limit:g}" if limit is not None else ""
            why = f"fewer than {FEWEST} squares to compare" if trial.made else "no finite image"
            if limit is None:
                test = Test(f"{name}{here}", value, "off", state="off")
            elif value is None:
                test = Test(f"{name}{here}", None, bound, state="skipped", note=why)
            else:
                test = Test(f"{name}{here}", value, bound, state="fail" if failed else "pass")
            verdict.tests.append(test)
            if failed:
                advice = ADVICE.get(name, ADVICE["gain"])
                verdict.reasons.append(
                    f"{name}{here}: {value:.4g} where {bound} passes. {advice[0].upper()}{advice[1:]}"
                )
    return verdict


def rows(trials: Sequence[Trial], verdict: Verdict) -> list[Row]:
    """The gate's tests, and the plain numbers beside those of the inputs."""
    table = [
        Row(test.name, EXPLAINED[test.name.split(" (")[0]], number(test.value), "", "", test.bound, test.state)
        for test in verdict.tests
    ]
    for trial in trials:
        found = trial.numbers()
        here = f" ({trial.name})" if len(trials) > 1 else ""
        table += [
            Row(f"{name}{here}", EXPLAINED[name], number(found[name]), number(found[f"input_{name}"]), "", "", "")
            for name in ("psnr", "psnr_y", "ssim", "ssim_y", "perceptual")
            if name in found
        ]
    return table


def protocol(trials: Sequence[Trial], fingerprint: str, seed: int, extractor: Extractor, side: int) -> str:
    """Everything that must be equal before two PSNRs may be compared, in one line."""
    fields = {
        "measure": "psnr",
        "pixels": "8-bit RGB, and Y of BT.601",
        "border": "/".join(dict.fromkeys(str(trial.border) for trial in trials)),
        "ssim": "gaussian 1.5, 11x11",
        "uint8": QUANTISED,
        "trials": ", ".join(trial.name for trial in trials),
        "down": "bicubic antialias a=-0.5, rounded to 8 bits",
        "real": f"test:{fingerprint[:8]}",
        "n_real": len(trials[0].made) + trials[0].nonfinite,
        "seed": seed,
        "texture": f"{extractor.spec.measure}, squares of {side}",
    }
    return " | ".join(f"{key}={value}" for key, value in fields.items())
