"""MoCoGAN: shapes, content and motion, updated networks, clips of any length, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.gans.base import GAN, Progress
from pipeline.gans.registry import build, parse_settings
from pipeline.gans.variants.mocogan.mocogan import MoCoGAN
from pipeline.items import ItemSpec
from pipeline.params import parse_values
from pipeline.serving.onnx import parity
from pipeline.serving.onnx.graph_export import export, name_tensors
from pipeline.serving.runtime.session import open_session


def clip_spec(side: int = 8, frames: int = 4, colours: int = 1) -> ItemSpec:
    details: dict[str, Any] = {"frames": frames, "colours": colours, "frame_rate": 10.0}
    return ItemSpec(medium="video", height=side, width=side, channels=frames * colours, details=details)


def small(item: ItemSpec | None = None, **settings: Any) -> MoCoGAN:
    torch.manual_seed(0)
    sizes = {"latent": 3, "motion": 2, "state": 4, "generator_channels": 4, "image_channels": 2, "video_channels": 2}
    gan = build(parse_settings({"variant": "mocogan"} | sizes | settings), item or clip_spec())
    assert isinstance(gan, MoCoGAN)
    return gan


def clips(n: int) -> Tensor:
    """Return random clips."""
    return torch.rand(n, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def latents(n: int, length: int) -> Tensor:
    return torch.randn(n, length, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("item", [clip_spec(), clip_spec(16, 5, 3), clip_spec(32, 8)])
def test_shapes(item: ItemSpec) -> None:
    gan = small(item, stabilisers={"minibatch_std": 2})
    sampled = gan.sample(4, torch.Generator().manual_seed(0))
    assert sampled.shape == (4, item.channels, item.height, item.height)
    assert gan.latent == 3 + 2 * item.frames
    assert gan.score(sampled).shape == (4,)
    assert gan.trunk()(sampled).shape[0] == 4


@pytest.mark.parametrize("settings", [{}, {"objective": "wgan", "penalties": {"gp": 10}, "critic_steps": 2}])
def test_each_phase_updates_its_networks_only(
    settings: dict[str, Any], check_updates: Callable[[GAN, dict[str, Tensor]], None]
) -> None:
    check_updates(small(**settings), {"item": clips(4)})


def test_a_frame_depends_on_its_own_noise_and_on_earlier_noise_only() -> None:
    gan, z = small().eval(), latents(1, 11)
    changed = z.clone()
    changed[:, 3 + 2 * 2 :] += 1  # the noise of the last two frames
    one, two = (gan.sample(1, torch.Generator(), z=one) for one in (z, changed))
    torch.testing.assert_close(one[:, :2], two[:, :2])
    assert (one[:, 2:] - two[:, 2:]).abs().amax(dim=(0, 2, 3)).gt(0).all()


def test_the_start_of_a_longer_clip_is_the_shorter_clip() -> None:
    gan, z = small().eval(), latents(2, 3 + 2 * 9)
    longer = gan.sample(2, torch.Generator(), z=z)
    assert longer.shape == (2, 9, 8, 8)
    torch.testing.assert_close(longer[:, :4], gan.sample(2, torch.Generator(), z=z[:, :11]))


def test_the_image_discriminator_sees_one_frame_of_each_clip_and_the_video_discriminator_all() -> None:
    gan, batch = small(), clips(6)
    logits = gan.discriminate(batch.requires_grad_(), None, Progress(0, 0.0), torch.Generator().manual_seed(0))
    assert logits.shape == (6, 2)
    by_frame, by_clip = (torch.autograd.grad(logits[:, k].sum(), batch, retain_graph=True)[0] for k in range(2))
    seen = by_frame.abs().amax(dim=(2, 3)) > 0
    assert seen.sum(dim=1).tolist() == [1] * 6
    assert len({int(frame) for frame in seen.int().argmax(dim=1)}) > 1
    assert bool((by_clip.abs().amax(dim=(2, 3)) > 0).all())


@pytest.mark.slow
def test_the_exported_graph_makes_clips_of_any_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "BATCHES", (1, 3))
    monkeypatch.setattr(parity, "LATENCY_BATCHES", ())
    gan, path = small().eval(), tmp_path / "generator.onnx"
    (spec,) = gan.export()
    spec = name_tensors(spec, clip_spec())
    export(spec, path, {}, 20)
    assert parity.check_parity(spec, path, 1e-4, clip_spec()).max_abs < 1e-5
    gates = [
        attribute.i
        for node in onnx.load(path).graph.node
        if node.op_type == "GRU"
        for attribute in node.attribute
        if attribute.name == "linear_before_reset"
    ]
    assert gates == [1], "the reset gate of torch acts after the linear layer"
    session = open_session(path.read_bytes(), "generator.onnx")
    for frames in (1, 7):
        z = latents(3, 3 + 2 * frames)
        made = session.run(None, {"z": z.numpy()})[0]
        np.testing.assert_allclose(made, gan.sample(3, torch.Generator(), z=z).numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("data", "model", "words"),
    [
        ({"medium": "image"}, {}, "needs clips"),
        ({"medium": "video", "resolution": 32, "frames": 6}, {}, "with at least 8 frames at this resolution"),
        ({"medium": "video"}, {"stabilisers": {"packing": 2}}, r"stabilisers\.packing with variant mocogan"),
        ({"medium": "video"}, {"stabilisers": {"top_k": 0.5}}, r"stabilisers\.top_k with variant mocogan"),
    ],
)
def test_what_does_not_fit_is_refused(data: dict[str, Any], model: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_values({"data": data, "model": {"variant": "mocogan"} | model})
