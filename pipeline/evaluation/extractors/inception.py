"""Inception-v3 features from a weights file: one of the user's own, or one that is downloaded once."""

import hashlib
import os
import pickle
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import Float32Array
from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import Extractor, FeatureSpec
from pipeline.evaluation.extractors.inception_network import DIMS, SIDE, InceptionV3
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of

FILE = "pt_inception-2015-12-05-6726825d.pth"
ADDRESS = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{FILE}"
SIZE = 95_628_359

PUBLISHED = "6726825d"
"""The start of the sha256 of the published weights."""

TIMEOUT = 30.0
"""Seconds without an answer after which a download fails."""


class Inception(Extractor):
    """Inception-v3 as an extractor that also returns logits."""

    network: InceptionV3

    def logits(self, features: Float32Array) -> Float32Array:
        """Return class logits [N, 1008] of features [N, 2048], without the bias, as published Inception scores do."""
        return np.asarray(features @ self.network.fc.weight.detach().cpu().numpy().T)


def open_inception(weights: Path, item: ItemSpec, device: torch.device) -> Inception:
    """Open a weights file in the layout of `FILE`. Only with the published weights is the distance called FID.

    Raises:
        InputError: The file is missing, damaged, or holds something else; or the items are neither gray nor RGB.
    """
    if item.network_channels not in (1, 3):
        raise InputError(
            f"evaluate.features: Inception takes items of 1 or 3 channels, and these are {item.size}; "
            "set it to auto or random"
        )
    try:
        with weights.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        state = torch.load(weights, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise InputError(
            f"{weights}: no such file; evaluate.features takes auto, classifier, random, inception, "
            f"or the path of a file like {FILE}"
        ) from None
    except (
        OSError,
        RuntimeError,
        ValueError,
        EOFError,
        LookupError,
        AttributeError,
        TypeError,
        pickle.UnpicklingError,
    ) as error:
        raise InputError(
            f"{weights}: not a file of PyTorch weights ({type(error).__name__}); "
            f"evaluate.features needs one like {FILE} ({SIZE:,} bytes)"
        ) from None
    network = InceptionV3()
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        first = str(error).splitlines()[-1].strip()[:160]
        raise InputError(
            f"{weights}: not the weights of this Inception-v3 ({first}); evaluate.features needs a file like {FILE}"
        ) from None
    spec = FeatureSpec(
        name="inception",
        sha256=sha256,
        dims=DIMS,
        resize=f"tf1-bilinear-{SIDE}",
        value_range="-1..127/128",
        published=is_published(sha256),
    )
    return Inception(spec, network, tensors_of(item), device)


def is_published(sha256: str) -> bool:
    """Return whether a digest is that of the published weights."""
    return sha256.startswith(PUBLISHED)


def download_weights(folder: Path, address: str = ADDRESS) -> Path:
    """Return the published weights in `folder`; download them if they are missing.

    Raises:
        InputError: The download failed. The message says which file to put where.
    """
    path = folder / FILE
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
    digest = hashlib.sha256()
    try:
        with os.fdopen(handle, "wb") as file, urllib.request.urlopen(address, timeout=TIMEOUT) as answer:
            while chunk := answer.read(1 << 20):
                digest.update(chunk)
                file.write(chunk)
        if not is_published(digest.hexdigest()):
            raise InputError(
                f"{address}: returned other content than the published weights (sha256 {digest.hexdigest()[:8]}, "
                f"not {PUBLISHED}); {manual_download(path)}"
            )
        os.replace(temporary, path)
    except (urllib.error.URLError, OSError) as error:
        raise InputError(
            f"{address}: cannot be downloaded ({getattr(error, 'reason', error)}); {manual_download(path)}"
        ) from None
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def manual_download(path: Path) -> str:
    """Return what a user without a network can do."""
    return (
        f"put {FILE} ({SIZE:,} bytes) at {path}, or name a copy in evaluate.features, or set evaluate.features to auto"
    )
