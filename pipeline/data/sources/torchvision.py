"""Any torchvision data set that yields pictures, by its class name: `torchvision:FashionMNIST`."""

import contextlib
import difflib
import functools
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.data.sources.base import Item, Unreadable
from pipeline.errors import InputError
from pipeline.media.image.image import encode


class Torchvision:
    """A data set with `train=True/False` or `split=` keeps that split; one with neither is a single set. Integer targets are classes, any other are not used.

    Items are named `<split>/<class>/<number>.ppm`, as a folder of the same images would be. What is missing is downloaded below `cache`.
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
        """The data set's parts by split; "" where it has none."""
        options = inspect.signature(self.kind).parameters
        if "train" in options:
            return {"train": self.open(train=True), "test": self.open(train=False)}
        if "split" in options:
            held_out = next((name for name in ("test", "val", "valid") if self.has_split(name)), None)
            parts = {"train": self.open(split="train")}
            return parts | ({"test": self.open(split=held_out)} if held_out else {})
        return {"": self.open()}

    def has_split(self, name: str) -> bool:
        try:
            self.open(split=name)
        except InputError as error:
            if isinstance(error.__cause__, ValueError):
                return False
            raise
        return True

    def open(self, **options: object) -> Any:
        """One part, downloaded if it must be. Raises InputError with the way out."""
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
            call = f"torchvision.datasets.{self.kind.__name__}({', '.join(f'{key}={value!r}' for key, value in options.items())})"
            raise InputError(
                f"data.source: {self.name} cannot be opened ({first_line(error)}). Where there is no network, run\n    {call}\n"
                f"where there is one, copy the folder it fills to {self.cache}, or set data.source to a folder or an archive of the images"
            ) from error

    def stream(self) -> Iterator[Item]:
        for split, part in self.parts.items():
            classes = getattr(part, "classes", None)
            targets = next(
                (
                    found
                    for key in ("targets", "labels", "_labels")
                    if (found := getattr(part, key, None)) is not None and len(found) == len(part)
                ),
                None,
            )
            for number in range(len(part)):
                target = targets[number] if targets is not None else part[number][1]
                folders = [split] if split else []
                label = as_label(target)
                if label is not None:
                    name = str(classes[label]) if classes is not None and 0 <= label < len(classes) else str(label)
                    folders.append(name.replace("/", "_"))
                yield Item("/".join([*folders, f"{number:06d}.ppm"]), functools.partial(load, part, number))


def as_label(target: object) -> int | None:
    """A class number (Python, numpy or a tensor of one element), or None for anything else."""
    try:
        return int(target) if getattr(target, "ndim", 0) == 0 and not isinstance(target, (str, float)) else None  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return None


def load(part: Any, number: int, limit: int) -> bytes:
    """One picture as a PPM (or PNG) file. Raises Unreadable when the data set yields none."""
    try:
        image = part[number][0]
    except Exception as error:  # noqa: BLE001 - whatever the data set's own decoding raises on a damaged file
        raise Unreadable(f"torchvision cannot read it: {first_line(error)}") from None
    if not isinstance(image, Image.Image):
        raise Unreadable(f"torchvision yields {type(image).__name__}, not a picture")
    return encode(image)


def first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
