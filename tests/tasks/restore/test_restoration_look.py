"""Health checks of the task "restore"."""

import torch

from pipeline.arrays import UInt8Array
from pipeline.gans.registry import build
from pipeline.gans.variants.srgan.settings import SRGANSettings
from pipeline.tasks.restore.restoration_look import RestorationLook
from tests.specs import image_spec


def test_the_same_images_are_restored_at_every_look() -> None:
    gan = build(SRGANSettings(generator_channels=4, blocks=1, scale=2, pretraining=1), image_spec(16, 3)).eval()
    rng = torch.Generator().manual_seed(0)
    held_out = {
        "input": torch.rand(10, 3, 8, 8, generator=rng) * 2 - 1,
        "target": torch.rand(10, 3, 16, 16, generator=rng) * 2 - 1,
    }
    seen: list[tuple[UInt8Array, UInt8Array]] = []

    def measure(restored: UInt8Array, target: UInt8Array) -> dict[str, float]:
        seen.append((restored, target))
        return {"fid": 1.0, "rmse": 2.0}

    look = RestorationLook(measure, image_spec(16, 3), held_out)
    assert look.look(gan, 7, 0, 3) == look.look(gan, 7, 0, 3) == {"fid": 1.0, "rmse": 2.0}
    assert seen[0][0].shape == seen[0][1].shape == (7, 16, 16, 3)
    assert (seen[0][0] == seen[1][0]).all()
    with torch.no_grad():
        for parameter in gan.get_submodule("generator").parameters():
            parameter.fill_(float("nan"))
    broken = look.look(gan, 7, 0, 3)
    assert set(broken) == {"fid", "rmse"}
    assert all(value != value for value in broken.values())
