"""Untrained DCGANs: only the cost of sampling matters here."""

from pathlib import Path
from typing import NamedTuple

import torch

from pipeline import __version__
from pipeline.gans.variants.dcgan.dcgan import DCGAN
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.items import ItemSpec
from pipeline.serving.onnx.graph_export import export, name_tensors
from pipeline.serving.onnx.metadata import Metadata


class Model(NamedTuple):
    """Size of a generator."""

    about: str
    resolution: int
    channels: int
    latent: int
    width: int
    widest: int


SMALL = Model("The digits' generator (DCGAN, 8 px gray)", 8, 1, 64, 64, 256)
WIDE = Model("DCGAN, 64 px in colour, 64 channels", 64, 3, 128, 64, 512)


def export_untrained(model: Model, path: Path) -> Path:
    """Write the ONNX file of an untrained generator; return its path."""
    torch.manual_seed(0)
    settings = DCGANSettings(
        latent=model.latent, generator_channels=model.width, discriminator_channels=8, max_channels=model.widest
    )
    gan = DCGAN(settings, ItemSpec(height=model.resolution, width=model.resolution, channels=model.channels))
    for _ in range(3):
        gan.generator(torch.randn(32, model.latent))
    metadata = Metadata(
        version=__version__,
        variant="dcgan",
        item=ItemSpec(height=model.resolution, width=model.resolution, channels=model.channels),
        latent=model.latent,
        dataset_name="none",
        dataset_fingerprint="0" * 64,
        images_seen=0,
        git_commit="unknown",
        mlflow_run="none",
        verdict="fail",
        fid=None,
        protocol="none",
    )
    spec = name_tensors(gan.eval().export()[0], metadata.item)
    export(spec, path, metadata.pairs(), 20)
    return path
