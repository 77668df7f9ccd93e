"""What is done about a symptom: the same training with calmer settings, one step of treatment for each rollback."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from pipeline.gans.variants.settings import VariantSettings
from pipeline.training.health import COMPLETE, OVERFITTING, PARTIAL, VANISHING
from pipeline.training.settings import TrainSettings

LEAST_R1 = 0.1  # where a collapsing training has no penalty to double
NOISE = {"start": 0.1, "end": 0.0}


def treat(
    train: TrainSettings, model: VariantSettings, symptoms: Sequence[str]
) -> tuple[TrainSettings, VariantSettings, list[str]]:
    """The settings after one response to each symptom in turn, and what the last of them changed, in words.

    Lower learning rates for all; for a mode collapse a stronger R1 besides, for vanishing gradients noise on what the discriminator
    sees, for an overfitting one DiffAugment. What does not go with the other settings is left out.
    """
    words: list[str] = []
    for symptom in symptoms:
        train, words = slower(train)
        changed, told = remedy(model, symptom)
        if told:
            model, words = changed, [*words, told]
    return train, model, words


def slower(train: TrainSettings) -> tuple[TrainSettings, list[str]]:
    factor = train.health.learning_rate_factor
    rates = {role: scaled(value, factor) for role, value in train.learning_rate.model_dump().items()}
    changed = TrainSettings.model_validate(train.model_dump() | {"learning_rate": rates})
    return changed, [f"learning rates times {factor:g}"]


def remedy(model: VariantSettings, symptom: str) -> tuple[VariantSettings, str]:
    """The model's settings with what helps against the symptom, and in words what that is; empty where nothing fits."""
    settings = model.model_dump()
    penalties, stabilisers = settings.get("penalties"), settings.get("stabilisers")
    told = ""
    if symptom in (COMPLETE, PARTIAL) and penalties is not None and "r1" in penalties:
        penalties["r1"] = scaled(penalties["r1"], 2.0) if positive(penalties["r1"]) else LEAST_R1
        told = f"penalties.r1 {written(penalties['r1'])}"
    elif symptom == VANISHING and stabilisers is not None and not positive(stabilisers.get("instance_noise", 1.0)):
        stabilisers["instance_noise"] = NOISE
        told = f"stabilisers.instance_noise {written(NOISE)}"
    elif symptom == OVERFITTING and stabilisers is not None and stabilisers.get("augment", {}).get("policy") == "none":
        stabilisers["augment"]["policy"] = "diffaugment"
        told = "stabilisers.augment.policy diffaugment"
    try:
        return type(model).model_validate(settings), told
    except ValidationError:  # a contradiction with the objective, say; gans.combinations names it
        return model, ""


def scaled(value: float | Mapping[str, float], factor: float) -> float | dict[str, float]:
    """A number, or a ramp as it is written."""
    return value * factor if isinstance(value, int | float) else {name: part * factor for name, part in value.items()}


def positive(value: float | Mapping[str, float]) -> bool:
    return value > 0 if isinstance(value, int | float) else any(part > 0 for part in value.values())


def written(value: float | Mapping[str, float]) -> str:
    return f"{value:g}" if isinstance(value, int | float) else f"{value['start']:g} to {value['end']:g}"
