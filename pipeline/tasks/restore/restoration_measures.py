"""The measures of the task "restore", each computed from one trial. Gate, report and metrics derive from them."""

from typing import TYPE_CHECKING

from pipeline.evaluation.measures.intervals import interval_of_mean
from pipeline.measure import Measure, Measurement, Symptom

if TYPE_CHECKING:
    from pipeline.tasks.restore.trial import Trial

NO_GAIN = Symptom(
    "little gain over the input",
    1,
    "Train longer (train.total_images), with more model.blocks or model.generator_channels. An adversarial loss costs "
    "PSNR: raise model.pretraining or model.weights.pixel, or allow for it in evaluate.gate.gain",
    causes=("gain", "ssim_gain", "worst_gain"),
)
WRONG_TEXTURE = Symptom(
    "wrong texture",
    2,
    "Restored images are too smooth or show artefacts: train longer, or raise model.weights.perceptual. With "
    "model.pretraining 1 the loss asks for smooth images",
)
ADDED_NOISE = Symptom(
    "added noise",
    3,
    "The adversarial loss adds noise: lower model.weights.adversarial, or raise model.weights.pixel",
)
COLOUR_SHIFT = Symptom(
    "shifted colours", 4, "Lower train.learning_rate, or raise model.weights.pixel, so that colours stay"
)


def similarity_measures(name: str, explanation: str) -> "tuple[Measure[Trial], Measure[Trial]]":
    """Return the measures of a similarity to the original: of the restored image, and of the input."""
    ours: Measure[Trial] = Measure(
        name,
        lambda trial: Measurement(trial.mean(name), trial.input_mean(name)),
        explanation,
        headline=name in ("psnr", "ssim"),
    )
    theirs: Measure[Trial] = Measure(
        f"input_{name}", lambda trial: trial.input_mean(name), f"{explanation}, of the input", reported=False
    )
    return ours, theirs


MEASURES: "tuple[Measure[Trial], ...]" = (
    Measure(
        "gain",
        lambda trial: Measurement(
            trial.mean("psnr") - trial.input_mean("psnr"), interval=interval_of_mean(trial.gains, "images")
        ),
        "PSNR (RGB) minus that of the input, in dB; for super-resolution, of the bicubic enlargement",
        better="high",
        bound=0.0,
        symptoms=(NO_GAIN,),
        headline=True,
        place=1,
    ),
    Measure(
        "ssim_gain",
        lambda trial: Measurement(
            trial.mean("ssim") - trial.input_mean("ssim"), interval=interval_of_mean(trial.ssim_gains, "images")
        ),
        "SSIM (RGB) minus that of the input",
        better="high",
        bound=0.0,
        symptoms=(NO_GAIN,),
        headline=True,
        place=2,
    ),
    Measure(
        "worst_gain",
        lambda trial: min(trial.gains),
        "gain of the image that gains least, in dB",
        better="high",
        bound=-1.0,
        symptoms=(NO_GAIN,),
    ),
    Measure(
        "texture",
        lambda trial: trial.texture_ratio,
        "Fréchet distance of texture features to the originals, over that of the inputs",
        better="low",
        bound=1.0,
        limits={"gt": 0},
        missing="fewer than 100 squares to compare",
        place=3,
        symptoms=(WRONG_TEXTURE,),
    ),
    Measure(
        "sharpness",
        lambda trial: trial.sharpness_ratio,
        "difference between neighbouring pixels over that of the originals; noise raises it above 1",
        better="low",
        bound=1.2,
        limits={"gt": 0},
        missing="the originals are flat",
        symptoms=(ADDED_NOISE,),
    ),
    Measure(
        "shift",
        lambda trial: max(trial.shifts),
        "8-bit levels by which the mean colour moved",
        better="low",
        bound=2.0,
        limits={"gt": 0},
        symptoms=(COLOUR_SHIFT,),
    ),
    *similarity_measures("psnr", "PSNR (RGB) in dB"),
    *similarity_measures("psnr_y", "PSNR (luma) in dB"),
    *similarity_measures("ssim", "SSIM (RGB)"),
    *similarity_measures("ssim_y", "SSIM (luma)"),
    Measure(
        "gain_y",
        lambda trial: trial.mean("psnr_y") - trial.input_mean("psnr_y"),
        "PSNR (luma) minus that of the input, in dB",
        reported=False,
    ),
    Measure(
        "ssim_y_gain",
        lambda trial: trial.mean("ssim_y") - trial.input_mean("ssim_y"),
        "SSIM (luma) minus that of the input",
        reported=False,
    ),
    Measure(
        "perceptual",
        lambda trial: Measurement(trial.mean_distance("perceptual"), trial.mean_input_distance("perceptual")),
        "mean absolute difference of VGG19's conv5_4 from the original's",
        needs="perceptual",
    ),
    Measure(
        "input_perceptual",
        lambda trial: trial.mean_input_distance("perceptual"),
        "mean absolute difference of VGG19's conv5_4 from the original's, of the input",
        needs="perceptual",
        reported=False,
    ),
    Measure(
        "fid",
        lambda trial: trial.texture.distance if trial.texture else None,
        "Fréchet distance of texture features to the originals",
        reported=False,
        headline=True,
    ),
    Measure(
        "input_fid",
        lambda trial: trial.texture.input_distance if trial.texture else None,
        "Fréchet distance of texture features to the originals, of the inputs",
        reported=False,
    ),
)
