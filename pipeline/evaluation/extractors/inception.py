"""Inception-v3 features from a weights file: the user's own, or fetched once where there is a network."""

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

FILE = "pt_inception-2015-12-05-6726825d.pth"
ADDRESS = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{FILE}"
SIZE = 95_628_359
PUBLISHED = "6726825d"  # what the sha256 of the published weights begins with
TIMEOUT = 30.0


class Inception(Extractor):
    """The network as an extractor that also gives logits."""

    network: InceptionV3

    def logits(self, features: Float32Array) -> Float32Array:
        """Class logits [N, 1008] of features [N, 2048], without the bias: as the published Inception scores are taken."""
        return np.asarray(features @ self.network.fc.weight.detach().cpu().numpy().T)


def inception(weights: Path, device: torch.device) -> Inception:
    """Extractor from a file in the layout of `FILE`. Only with the published weights may its distance be called FID.

    Raises InputError naming the file when it is missing, torn, or holds something else.
    """
    try:
        with weights.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        state = torch.load(weights, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise InputError(
            f"{weights}: no such file; evaluate.features takes classifier, random, inception, or the path of a file like {FILE}"
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
            f"{weights}: not a file of PyTorch weights ({type(error).__name__}); evaluate.features needs one like {FILE} ({SIZE:,} bytes)"
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
    return Inception(spec, network, device)


def is_published(sha256: str) -> bool:
    return sha256.startswith(PUBLISHED)


def fetched(folder: Path, address: str = ADDRESS) -> Path:
    """The published weights in `folder`, downloaded unless they are there. Raises InputError saying what to put where when they cannot be."""
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
                f"{address}: answered with other content than the published weights (sha256 {digest.hexdigest()[:8]}, not {PUBLISHED}); {by_hand(path)}"
            )
        os.replace(temporary, path)
    except (urllib.error.URLError, OSError) as error:
        raise InputError(f"{address}: cannot be fetched ({getattr(error, 'reason', error)}); {by_hand(path)}") from None
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def by_hand(path: Path) -> str:
    return (
        f"put {FILE} ({SIZE:,} bytes) at {path}, or name a copy in evaluate.features, or set evaluate.features to auto"
    )
