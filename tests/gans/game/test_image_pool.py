"""The image pool: it fills first, then swaps half of the images, and loses none."""

import torch

from pipeline.gans.game.image_pool import ImagePool


def numbered(start: int, n: int) -> torch.Tensor:
    return torch.arange(start, start + n, dtype=torch.float32).reshape(n, 1, 1, 1).expand(n, 2, 4, 4).contiguous()


def test_images_pass_while_the_pool_fills() -> None:
    pool, rng = ImagePool(10, 2, 4), torch.Generator().manual_seed(0)
    for start in (0, 4):
        assert torch.equal(pool.query(numbered(start, 4), rng), numbered(start, 4))
    assert int(pool.count) == 8
    assert torch.equal(pool.images[:8], numbered(0, 8))


def test_half_of_the_images_are_swapped_and_none_is_lost_or_duplicated() -> None:
    pool, rng = ImagePool(50, 2, 4), torch.Generator().manual_seed(0)
    queried, returned = [], []
    for start in range(0, 4000, 8):
        queried.append(numbered(start, 8))
        returned.append(pool.query(queried[-1], rng))
    everything = torch.cat([*returned, pool.images])[:, 0, 0, 0]
    swapped = torch.stack([a != b for a, b in zip(queried[7:], returned[7:], strict=True)]).any(dim=(2, 3, 4))
    assert abs(float(swapped.float().mean()) - 0.5) < 0.03
    # The first 50 images are both returned and stored.
    assert sorted(everything.tolist()) == sorted([*range(4000), *range(50)])


def test_query_does_not_change_its_input_and_size_zero_disables_the_pool() -> None:
    pool, rng = ImagePool(2, 2, 4), torch.Generator().manual_seed(0)
    images = numbered(0, 8)
    for _ in range(5):
        pool.query(images, rng)
    assert torch.equal(images, numbered(0, 8))
    assert ImagePool(0, 2, 4).query(images, rng) is images
