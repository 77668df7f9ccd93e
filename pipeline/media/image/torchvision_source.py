"""Any torchvision data set that yields images, by its class name: `torchvision:FashionMNIST`."""

import contextlib
import difflib
import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.errors import InputError
from pipeline.media.codec import BadItem
from pipeline.media.image.pillow_arrays import write_lossless


class Torchvision:
    """A torchvision data set.

    One with `train=True/False` or `split=` keeps its split; any other is a single set. Integer targets are classes,
    other targets are ignored. Files are named `<split>/<class>/<number>.ppm`, like a folder of the same images. Missing
    data is downloaded below `cache`.
    """

    def __init__(self, name: str, cache: Path) -> None:
        from torchvision import datasets

        known = sorted(key for key in datasets.__all__ if inspect.isclass(getattr(datasets, key, None)))
        if name not in known:
            near = difflib.get_close_matches(name.casefold(), {key.casefold(): key for key in known}, n=1, cutoff=0.5)
            hint = next(
                (f"did you mean `torchvision:{key}`?" for key in known if near and key.casefold() == near[0]),
                f"known: {', '.join(known)}",
            )
            raise InputError(f"data.source: torchvision has no data set {name!r}; {hint}")
        self.name = f"torchvision:{name}"
        self.kind: Any = getattr(datasets, name)
        self.cache = cache / name
        self.parts = self.open_parts()

    def open_parts(self) -> dict[str, Any]:
        """Return the parts by split; "" if the data set has none."""
        options = inspect.signature(self.kind).parameters
        if "train" in options:
            return {"train": self.open(train=True), "test": self.open(train=False)}
        if "split" in options:
            held_out = next((name for name in ("test", "val", "valid") if self.has_split(name)), None)
            parts = {"train": self.open(split="train")}
            return parts | ({"test": self.open(split=held_out)} if held_out else {})
        return {"": self.open()}

    def has_split(self, name: str) -> bool:
        """Return whether the data set knows a split of this name."""
        try:
            self.open(split=name)
        except InputError as error:
            if isinstance(error.__cause__, ValueError):
                return False
            raise
        return True

    def open(self, **options: object) -> Any:
        """Open one part; download it if necessary. Raise InputError with the way out."""
        accepted = inspect.signature(self.kind).parameters
        if "root" in accepted:
            self.cache.mkdir(parents=True, exist_ok=True)
            options["root"] = str(self.cache)
        if "download" in accepted:
            options["download"] = True
        try:
            with contextlib.redirect_stdout(sys.stderr):
                return self.kind(**options)
        except (OSError, RuntimeError, ValueError, TypeError, ImportError) as error:
            arguments = ", ".join(f"{key}={value!r}" for key, value in options.items())
            raise InputError(
                f"data.source: {self.name} cannot be opened ({first_line(error)}). Without network access, run\n"
                f"    torchvision.datasets.{self.kind.__name__}({arguments})\n"
                f"on a machine that has it and copy the folder it fills to {self.cache}, "
                "or set data.source to a folder or an archive of the images"
            ) from error

    def files(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Yield every image as one file."""
        for split, part in self.parts.items():
            classes, targets = getattr(part, "classes", None), targets_of(part)
            for number in range(len(part)):
                label = as_label(targets[number] if targets is not None else part[number][1])
                folders = [split] if split else []
                if label is not None:
                    name = str(classes[label]) if classes is not None and 0 <= label < len(classes) else str(label)
                    folders.append(name.replace("/", "_"))
                yield "/".join([*folders, f"{number:06d}.ppm"]), functools.partial(load, part, number)


def targets_of(part: Any) -> Any:
    """Return the targets of all images at once; None if the data set has no such attribute."""
    candidates = (getattr(part, name, None) for name in ("targets", "labels", "_labels"))
    return next((targets for targets in candidates if targets is not None and len(targets) == len(part)), None)


def as_label(target: object) -> int | None:
    """Return a class number (Python, numpy or a tensor of one element), None for any other target."""
    if getattr(target, "ndim", 0) != 0 or isinstance(target, str | float):
        return None
    try:
        return int(target)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError):
        return None


def load(part: Any, number: int) -> bytes:
    """Return one image as a PPM or PNG file. Raise BadItem if the data set yields none."""
    try:
        image = part[number][0]
    except Exception as error:  # noqa: BLE001 - whatever the data set's own decoding raises on a damaged file
        raise BadItem(f"torchvision cannot read it: {first_line(error)}") from None
    if not isinstance(image, Image.Image):
        raise BadItem(f"torchvision yields {type(image).__name__}, not an image")
    return write_lossless(image)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type."""
    return str(error).strip().split("\n")[0] or type(error).__name__
