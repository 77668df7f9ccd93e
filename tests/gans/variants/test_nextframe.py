"""The variant that predicts frames: what it starts from, what it sees, and what it learns."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.gans.base import GAN, Progress
from pipeline.gans.game.frame_completion import complete, predicted_frames
from pipeline.gans.registry import build
from pipeline.gans.variants.nextframe.settings import NextFrameSettings
from pipeline.items import DataLayout, ItemSpec
from pipeline.media.video.clip import fold
from pipeline.media.video.moving_digits import draw_clip

START, END = Progress(0, 0.0), Progress(0, 1.0)


def clip_spec(frames: int = 8, side: int = 16, colours: int = 1) -> ItemSpec:
    details: dict[str, Any] = {"frames": frames, "colours": colours}
    return ItemSpec(medium="video", height=side, width=side, channels=frames * colours, details=details)


def variant(item: ItemSpec | None = None, **settings: Any) -> Any:
    torch.manual_seed(0)
    chosen = NextFrameSettings(**({"generator_channels": 8, "blocks": 1, "discriminator_channels": 8} | settings))
    return build(chosen, item or clip_spec())


def numbered(n: int = 2, frames: int = 8, colours: int = 1) -> Tensor:
    """Clips whose frame k has the level k / 10 everywhere."""
    levels = torch.arange(frames).repeat_interleave(colours) / 10
    return levels[None, :, None, None].expand(n, -1, 16, 16).clone()


@pytest.mark.parametrize("colours", [1, 3])
def test_training_starts_from_a_copy_of_the_last_frame(colours: int) -> None:
    gan = variant(clip_spec(colours=colours))
    clips = torch.rand(2, 8 * colours, 16, 16) * 2 - 1
    given = clips[:, : 4 * colours]
    assert torch.equal(gan.sample(2, torch.Generator(), frames=given), clips[:, 3 * colours : 4 * colours])
    between = variant(clip_spec(colours=colours), between=True)
    mean = (clips[:, :colours] + clips[:, colours : 2 * colours]) / 2
    assert torch.allclose(between.sample(2, torch.Generator(), frames=clips[:, : 2 * colours]), mean)


def test_windows_are_consecutive_frames_from_any_start() -> None:
    gan = variant(past=3, ahead=2)
    windows = gan.windows(numbered(200), torch.Generator().manual_seed(0))
    assert windows.shape == (200, 5, 16, 16)
    levels = (windows[:, :, 0, 0] * 10).round()
    assert (levels.diff(dim=1) == 1).all()
    assert set(levels[:, 0].tolist()) == {0, 1, 2, 3}


def test_the_frame_between_is_not_seen() -> None:
    gan = variant(between=True)
    given, wanted = gan.split(numbered(1, 3))
    assert (given[0, :, 0, 0] * 10).round().tolist() == [0, 2]
    assert (wanted[0, :, 0, 0] * 10).round().tolist() == [1]


@pytest.mark.parametrize("clips", [False, True])
def test_the_discriminator_sees_single_frames_or_all_of_a_clip(clips: bool) -> None:
    gan = variant(past=2, ahead=3, clips=clips)
    seen, frames = [torch.full((4, 2, 16, 16), float(k)) for k in range(3)], torch.full((4, 3, 16, 16), 9.0)
    shown = gan.candidates(seen, frames)
    levels = shown[:, :, 0, 0].unique(dim=0).tolist()
    assert levels == ([[0, 0, 9, 9, 9]] if clips else [[0, 0, 9], [2, 2, 9]])
    assert gan.discriminator(shown).shape[:2] == (len(shown), 1)


def test_clips_are_completed_from_given_frames_alone() -> None:
    real = numbered()
    for gan, given in ((variant(past=3), [0, 1, 2]), (variant(between=True), [0, 2, 4, 6, 7])):
        hidden = real.clone()
        predicted = predicted_frames(gan, 8)
        hidden[:, predicted] = 9
        completed = complete(gan, hidden, 1, torch.Generator())
        assert torch.equal(completed[:, given], real[:, given])
        assert sorted([*given, *predicted]) == list(range(8))
        assert completed.max() < 1


@pytest.mark.parametrize(
    "settings", [{}, {"between": True}, {"past": 1, "ahead": 1}, {"pretraining": 1}, {"clips": True}]
)
def test_each_phase_updates_its_networks(
    settings: dict[str, Any], check_updates: Callable[[GAN, dict[str, Tensor]], None]
) -> None:
    gan = variant(**settings)
    torch.nn.init.normal_(gan.generator.head.weight, 0, 0.1)
    check_updates(gan, {"item": torch.rand(4, 8, 16, 16) * 2 - 1})
    phases = {phase.name: phase.loss for phase in gan.phases()}
    assert "loss_adversarial" not in phases["generator"]({"item": numbered()}, START, torch.Generator()).terms
    late = phases["generator"]({"item": numbered()}, END, torch.Generator()).terms
    assert ("loss_adversarial" in late) == ("discriminator" in phases)


def test_it_learns_to_predict_better_than_a_copy() -> None:
    clips = np.stack([draw_clip("train", number, 1, 6, (16, 16)) for number in range(64)])
    item = torch.from_numpy(fold(clips)).permute(0, 3, 1, 2) / 127.5 - 1
    gan = variant(clip_spec(6), past=2, ahead=1, pretraining=1, generator_channels=16)
    copies = (item[:, 2:] - item[:, 1:-1]).square().mean()
    optimizer = torch.optim.Adam(gan.generator.parameters(), 3e-3)
    rng = torch.Generator().manual_seed(0)
    gan.train()
    for step in range(60):
        optimizer.zero_grad()
        gan.generator_loss({"item": item[step * 16 % 64 :][:16]}, START, rng).total.backward()
        optimizer.step()
    gan.eval()
    predicted = gan.sample(64, rng, frames=item[:, 2:4])
    assert (predicted - item[:, 4:5]).square().mean() < 0.6 * copies


@pytest.mark.parametrize(
    ("settings", "layout", "message"),
    [
        ({}, {"frames": 6}, r"data\.frames 6: .* needs 7, for model\.past and model\.ahead"),
        ({"between": True}, {"frames": 2}, r"data\.frames 2: .* needs 3, for the two neighbours"),
        ({}, {}, r"predicts frames of clips; set data\.medium: video"),
        ({}, {"frames": 8, "height": 18}, "needs multiples of 4 from 8 on"),
    ],
)
def test_data_that_does_not_fit_is_refused(settings: dict[str, Any], layout: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NextFrameSettings(**settings).check_data(DataLayout(**({"height": 16, "width": 16} | layout)))
