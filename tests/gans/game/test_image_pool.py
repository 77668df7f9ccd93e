"""The pool of earlier translations: it fills, then gives back a half of what it holds, and loses nothing."""

import torch

from pipeline.gans.game.image_pool import ImagePool


def numbered(start: int, n: int) -> torch.Tensor:
    return torch.arange(start, start + n, dtype=torch.float32).reshape(n, 1, 1, 1).expand(n, 2, 4, 4).contiguous()


def test_while_it_fills_everything_passes() -> None:
    pool, rng = ImagePool(10, 2, 4), torch.Generator().manual_seed(0)
    for start in (0, 4):
        assert torch.equal(pool.query(numbered(start, 4), rng), numbered(start, 4))
    assert int(pool.count) == 8
    assert torch.equal(pool.images[:8], numbered(0, 8))


def test_then_half_are_exchanged_and_none_is_lost_or_doubled() -> None:
    pool, rng = ImagePool(50, 2, 4), torch.Generator().manual_seed(0)
    given, back = [], []
    for start in range(0, 4000, 8):
        given.append(numbered(start, 8))
        back.append(pool.query(given[-1], rng))
    whole = torch.cat([*back, pool.images])[:, 0, 0, 0]
    exchanged = (
        torch.stack([a != b for a, b in zip(given[7:], back[7:], strict=True)]).any(dim=(2, 3, 4)).float().mean()
    )
    assert abs(float(exchanged) - 0.5) < 0.03
    # Until it was full a picture both passed and stayed.
    assert sorted(whole.tolist()) == sorted([*range(4000), *range(50)])


def test_what_is_given_is_not_changed_and_none_is_kept_without_room() -> None:
    pool, rng = ImagePool(2, 2, 4), torch.Generator().manual_seed(0)
    images = numbered(0, 8)
    for _ in range(5):
        pool.query(images, rng)
    assert torch.equal(images, numbered(0, 8))
    assert ImagePool(0, 2, 4).query(images, rng) is images
