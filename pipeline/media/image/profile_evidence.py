"""What the profiles of images say about samples: the evidence of a failed test, and the class that deviates most."""

from typing import Any

from pipeline.measure import Bounds, Measurement
from pipeline.media.image.pixel_maps import constant_share
from pipeline.media.image.profiles import edge_steps, profiles


def describe_change(data: Any, bounds: Bounds) -> str:
    """Return the evidence of what was done to all samples."""
    found = data.profiles["placement"].measurement
    words = data.change.words if data.change else "changed"
    return f"samples are {words}: undone, their mean image is {found.number:.3g} gray levels nearer to the real one"


def describe_maps(data: Any, bounds: Bounds) -> str:
    """Return the evidence of where samples stand out."""
    return describe(data, "pixel_maps", data.profiles["pixel_maps"])


def describe_values(data: Any, bounds: Bounds) -> str:
    """Return the evidence that too many samples show a value at a pixel."""
    return describe(data, "value_shares", data.profiles["value_shares"])


def describe(data: Any, name: str, found: Any) -> str:
    """Return how two means of the profile with this name differ, in words."""
    (profile,) = (one for one in profiles(data.item) if one.name == name)
    assert profile.describe is not None
    return profile.describe(found.fake, found.real)


def worst_class(data: Any) -> tuple[str, Any] | None:
    """Return the class whose maps deviate most, and their comparison; None without classes."""
    found = {name: one["pixel_maps"] for name, one in data.class_profiles.items() if "pixel_maps" in one}
    return max(found.items(), key=lambda pair: pair[1].excess, default=None)


def describe_class_maps(data: Any, bounds: Bounds) -> str:
    """Return the evidence of where the samples of a class stand out."""
    found = worst_class(data)
    assert found is not None
    return f"in samples of {found[0]}, {describe(data, 'pixel_maps', found[1])}"


def constant_pixels(data: Any, found: Any) -> float | None:
    """Return the share of the pixels that stand out which are the same in all samples of a comparison."""
    return constant_share(found.fake, found.real, data.item) if found else None


def stepping_edges(data: Any) -> float | None:
    """Return the share of the edges of blocks that step at least half as much as they do on average."""
    found = data.profiles.get("blocking")
    if found is None:
        return None
    steps = edge_steps(found.fake, found.real, data.item.width - 1)
    return float((steps >= steps.mean() / 2).mean())


def class_maps(data: Any) -> Measurement:
    """Return the comparison of the maps of the class where they deviate most."""
    found = worst_class(data)
    return found[1].measurement if found else Measurement(None)
