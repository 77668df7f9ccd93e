"""Respond to unstable training: roll back and continue with safer settings."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from pipeline.gans.variants.settings import VariantSettings
from pipeline.training.failure_modes import COMPLETE_COLLAPSE, OVERFITTING, PARTIAL_COLLAPSE, VANISHING_GRADIENTS
from pipeline.training.settings import TrainSettings

INITIAL_R1 = 0.1
"""R1 after a mode collapse without R1; otherwise R1 is doubled."""
INSTANCE_NOISE = {"start": 0.1, "end": 0.0}
AUGMENTATIONS: dict[str, dict[str, Any]] = {"diffaugment": {}, "turns": {"probability": 0.5}}
"""Settings of the augmentation against an overfitting discriminator, by policy. The first suitable one is taken."""


def respond(
    train: TrainSettings, model: VariantSettings, symptoms: Sequence[str], augmentations: Collection[str]
) -> tuple[TrainSettings, VariantSettings, list[str]]:
    """Return the settings after a response to each of `symptoms` in turn, and the last response in words.

    Every response lowers the learning rates. Mode collapse also raises R1, vanishing gradients add instance noise, and
    an overfitting discriminator gets an augmentation. Adjustments that contradict other settings are skipped.

    Args:
        train, model: The settings.
        symptoms: What was seen, in order.
        augmentations: Policies that suit the items.
    """
    changes: list[str] = []
    for symptom in symptoms:
        train, changes = lower_learning_rates(train)
        adjusted, description = adjustment_for(model, symptom, augmentations)
        if description:
            model, changes = adjusted, [*changes, description]
    return train, model, changes


def lower_learning_rates(train: TrainSettings) -> tuple[TrainSettings, list[str]]:
    """Multiply the learning rates by `learning_rate_factor`; return the settings and the change in words."""
    factor = train.health.learning_rate_factor
    rates = {role: scale_ramp(value, factor) for role, value in train.learning_rate.model_dump().items()}
    lowered = TrainSettings.model_validate(train.model_dump() | {"learning_rate": rates})
    return lowered, [f"learning rates times {factor:g}"]


def adjustment_for(model: VariantSettings, symptom: str, augmentations: Collection[str]) -> tuple[VariantSettings, str]:
    """Adjust the model's settings to a symptom; return them and the change in words, "" if nothing applies."""
    settings = model.model_dump()
    penalties, stabilisers = settings.get("penalties"), settings.get("stabilisers")
    description = ""
    if symptom in (COMPLETE_COLLAPSE, PARTIAL_COLLAPSE) and penalties is not None and "r1" in penalties:
        penalties["r1"] = scale_ramp(penalties["r1"], 2.0) if is_positive(penalties["r1"]) else INITIAL_R1
        description = f"penalties.r1 {format_ramp(penalties['r1'])}"
    elif (
        symptom == VANISHING_GRADIENTS
        and stabilisers is not None
        and not is_positive(stabilisers.get("instance_noise", 1.0))
    ):
        stabilisers["instance_noise"] = INSTANCE_NOISE
        description = f"stabilisers.instance_noise {format_ramp(INSTANCE_NOISE)}"
    elif symptom == OVERFITTING and stabilisers is not None and stabilisers.get("augment", {}).get("policy") == "none":
        policy = next((name for name in AUGMENTATIONS if name in augmentations), None)
        if policy is not None:
            stabilisers["augment"] |= {"policy": policy} | AUGMENTATIONS[policy]
            description = f"stabilisers.augment.policy {policy}"
    try:
        return type(model).model_validate(settings), description
    except ValidationError:  # for example a contradiction with the objective, see gans.game.compatibility
        return model, ""


def scale_ramp(value: float | Mapping[str, float], factor: float) -> float | dict[str, float]:
    """Multiply a number, or both ends of a ramp."""
    return value * factor if isinstance(value, int | float) else {name: end * factor for name, end in value.items()}


def is_positive(value: float | Mapping[str, float]) -> bool:
    """Return whether a number, or an end of a ramp, is above 0."""
    return value > 0 if isinstance(value, int | float) else any(end > 0 for end in value.values())


def format_ramp(value: float | Mapping[str, float]) -> str:
    """Format a number or a ramp, as in "0.1 to 0"."""
    return f"{value:g}" if isinstance(value, int | float) else f"{value['start']:g} to {value['end']:g}"
