"""Project an image: find the latent whose image is closest to it. Not a stage of dvc.yaml."""

import sys
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from pipeline import params as parameters
from pipeline.arrays import Float64Array, Int64Array, Items
from pipeline.data.store import DatasetInfo, open_split
from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import ArrayItems, extract, quiet
from pipeline.evaluation.extractors.classifier import Classifier
from pipeline.gans.base import GAN
from pipeline.gans.latents import Invertible, StyleBased
from pipeline.media.codec import BadItem
from pipeline.media.pictures import write_picture
from pipeline.media.registry import find_medium, tensors_of
from pipeline.serving.controls import class_index
from pipeline.serving.runtime.directions import identity
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.sample_files import draw
from pipeline.serving.runtime.saved_latent import SavedLatent
from pipeline.stages.finished_model import open_classifier, open_model
from pipeline.stages.paths import Paths
from pipeline.tasks.base import progress_bar
from pipeline.training.device import pick_device
from pipeline.training.inversion import Inverse, Search, invert, psnr

SEED = 0
BATCH = 256
SHOWN = 16
"""Held-out items that the picture shows."""


def project_file(root: Path, source: Path, output: Path, label: str | None) -> None:
    """Write the latent of an image, and reports/projection.png with the image and what was found.

    Next to the image a generated one is projected, which shows how close the search can come.

    Args:
        root: Root of the project.
        source: File of the image; it is decoded as those of the data.
        output: File to write (.npz).
        label: Class of the image; None lets the search choose.

    Raises:
        InputError: The file cannot be read, the model cannot be used, or there is no such class.
    """
    projection = Projection(root)
    if output.suffix != ".npz":
        raise InputError(f"{output}: a latent is a NumPy archive, so its name must end in .npz")
    item = projection.read(source)
    own = projection.generated(1)
    chosen = projection.label(label)
    found = projection.invert(np.concatenate([item[None], own]), chosen)
    near, possible = projection.closeness(found, np.concatenate([item[None], own]))
    latent = projection.latent(found, 0)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        latent.save(output)
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}") from None
    projection.show(item[None], found)
    classes = projection.generator.metadata.item.classes
    of_class = f" as {classes[latent.label]}" if latent.label >= 0 else ""
    noun = projection.medium.noun
    sys.stdout.write(f"{output}: PSNR {near:.1f} dB{of_class}; a generated {noun} is found with {possible:.1f} dB\n")


def project_held_out(root: Path, count: int) -> None:
    """Project held-out items, print how close they come and how many keep their class, and draw some of them.

    Raises:
        InputError: The model cannot be used, or there are fewer items.
    """
    paths = Paths(root)
    projection = Projection(root)
    test = open_split(paths.dataset, paths.validated, "test")
    if len(test) < count:
        raise InputError(f"--held-out {count}: the test split has {len(test)} items. Choose fewer.")
    items = test.images(np.arange(count))
    found = projection.invert(items, None)
    near = projection.closeness(found, items)
    projection.show(items[:SHOWN], found)
    parts = [
        f"{count} held-out {projection.medium.noun}s: PSNR {near.mean():.1f} dB on average, {near.min():.1f} at least"
    ]
    classifier = open_classifier(root)
    if classifier is not None:
        before, after = (seen_classes(classifier, one) for one in (items, projection.items(found.images)))
        parts.append(f"class kept {np.mean(before == after):.1%}")
    sys.stdout.write(f"{'; '.join(parts)}\n")


class Projection:
    """The model of a project, ready to find latents.

    Attributes:
        generator: The exported graph.
        gan: Its networks.
    """

    def __init__(self, root: Path) -> None:
        """Raise InputError if the model is missing or its items are no function of z and a label."""
        self.paths = Paths(root)
        self.params = parameters.load(self.paths.params)
        self.generator, self.gan = open_model(self.paths)
        self.inverse = invertible(self.gan, self.generator)
        self.device = pick_device(self.params.train.device)
        self.gan.to(self.device).requires_grad_(False)
        self.item = self.generator.metadata.item
        self.medium, self.tensors = find_medium(self.item.medium), tensors_of(self.item)

    def read(self, source: Path) -> Items:
        """Return a file as an item [H, W, C], decoded as the data was. Raises InputError."""
        info = DatasetInfo.read(self.paths.dataset)
        settings = self.medium.with_details(self.params.data, info.item)
        try:
            values = next(iter(self.medium.decode(source.read_bytes(), settings))).values
        except OSError as error:
            raise InputError(f"{source}: cannot be read: {error.strerror}") from None
        except (BadItem, StopIteration) as error:
            raise InputError(f"{source}: {error or 'contains no items'}") from None
        if values.shape != self.item.shape:
            raise InputError(
                f"{source}: is {list(values.shape)} as an item, and the model makes {list(self.item.shape)}."
            )
        return values

    def label(self, chosen: str | None) -> int | None:
        """Return the index of a class. Raises InputError if there is none, or the model takes no label."""
        if chosen is None:
            return None
        if not self.gan.classes:
            raise InputError(
                f"--label {chosen}: this model ({self.generator.metadata.variant}) takes no label. Omit it."
            )
        return class_index(chosen, self.item.classes)

    def generated(self, n: int) -> Items:
        """Return items that the model generates."""
        return self.items(self.gan.sample(n, torch.Generator().manual_seed(SEED + 1)))

    def items(self, values: Tensor) -> Items:
        """Return network values as items."""
        return self.tensors.from_network(values)

    def values(self, items: Items) -> Tensor:
        """Return items as network values on the model's device."""
        return self.tensors.to_network(torch.from_numpy(items).to(self.device))

    def invert(self, items: Items, label: int | None) -> Inverse:
        """Find the latents of items."""
        rng = torch.Generator().manual_seed(SEED)
        return invert(self.inverse, self.values(items), label, Search(), rng, progress_bar)

    def closeness(self, found: Inverse, items: Items) -> Float64Array:
        """Return the PSNR of what was found, as items, in dB."""
        rounded = self.values(self.items(found.images))
        return psnr(rounded, self.values(items)).cpu().numpy().astype(np.float64)

    def latent(self, found: Inverse, row: int) -> SavedLatent:
        """Return what was found for an item as a file holds it."""
        space: Literal["z", "w"] = "w" if isinstance(self.gan, StyleBased) else "z"
        label = int(found.labels[row]) if self.gan.classes and space == "z" else -1
        values = found.latents[row].cpu().numpy().astype(np.float32)
        return SavedLatent(values, space, label, identity(self.generator.metadata))

    def show(self, items: Items, found: Inverse) -> None:
        """Draw items in one row, and what was found for them in the next."""
        self.paths.projection_picture.parent.mkdir(parents=True, exist_ok=True)
        both = np.concatenate([items, self.items(found.images[: len(items)])])
        picture = draw(self.generator.graph, both, len(items))
        write_picture(picture, self.paths.projection_picture, self.paths.projection_picture.suffix)


def invertible(gan: GAN, generator: Generator) -> Invertible:
    """Return the variant with the methods that a projection needs. Raises InputError for others."""
    variant = generator.metadata.variant
    if not isinstance(gan, Invertible) or gan.condition not in ("", "label"):
        raise InputError(f"model.variant {variant}: its items are no function of z and a label, so none is projected.")
    return gan


def seen_classes(classifier: Classifier, items: Items) -> Int64Array:
    """Return the class that the classifier sees in each item."""
    chances = classifier.predict(extract(classifier, ArrayItems(items), BATCH, quiet))
    classes: Int64Array = chances.argmax(axis=1).astype(np.int64)
    return classes
