"""What a blind test of a translation shows: real items of the target domain, and translations into it."""

import torch

from pipeline.arrays import Items
from pipeline.data.batch_sampling import TrainingItems
from pipeline.data.domains import split_domains
from pipeline.data.store import ItemSet
from pipeline.evaluation.blind_test import HALF, BlindTest, require_finite
from pipeline.gans.base import GAN
from pipeline.media.registry import tensors_of
from pipeline.tasks.translate.translations import MOST_PIXELS, to_network


@torch.inference_mode()
def draw_items(gan: GAN, train: TrainingItems, test: ItemSet, blind: BlindTest) -> tuple[Items, Items]:
    """Return real items of the target domain of the first direction, and translations, each [HALF, H, W, C].

    Of pairs, the translated inputs are not the partners of the real items.

    Raises:
        InputError: A domain has too few held-out items, or the model generates NaN or Inf.
    """
    name, direction = next(iter(gan.directions().items()))
    domains = split_domains(test)
    source, target = domains[direction.source], domains[direction.target]
    if gan.view.name == "paired":
        positions = blind.choose(len(target), 2 * HALF, "pairs")
        inputs, real = source.images(positions[HALF:]), target.images(positions[:HALF])
    else:
        inputs = source.images(blind.choose(len(source), HALF, f"items of {source.name}"))
        real = target.images(blind.choose(len(target), HALF, f"items of {target.name}"))
    rng, tensors = torch.Generator().manual_seed(blind.seed), tensors_of(source.item)
    size = max(1, MOST_PIXELS // (source.item.height * source.item.width))
    translated = [
        require_finite(gan.translate(part, name, rng))
        for part in torch.split(to_network(inputs, source.item, torch.device("cpu")), size)
    ]
    return real, tensors.from_network(torch.cat(translated))
