"""Reference statistics in a file: moments of a data set in the features of one extractor, computed once and named."""

import json
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import FeatureSpec
from pipeline.evaluation.measures.fid import Moments, frechet
from pipeline.files import write_atomically

SUFFIX = ".npz"
SHOWN = {"name": "extractor", "sha256": "weights", "resize": "resizing", "value_range": "range", "dims": "dimensions"}
"""Properties of features that must be equal, and how a message calls them."""


@dataclass(frozen=True)
class NamedReference:
    """Moments of a data set, and what they were computed from.

    Attributes:
        features: The extractor and its preprocessing.
        source: The data set, such as "digits, 8x8x1".
        split: Name of the split.
        fingerprint: Digest of the split.
        moments: Number of items, mean and scatter of the features.
    """

    features: FeatureSpec
    source: str
    split: str
    fingerprint: str
    moments: Moments

    def save(self, path: Path) -> None:
        """Write the file and its folder."""
        about = {"source": self.source, "split": self.split, "fingerprint": self.fingerprint}
        memory = BytesIO()
        np.savez(
            memory,
            about=np.array(json.dumps({**about, "features": self.features.model_dump()})),
            count=np.array(self.moments.count),
            mean=self.moments.mean,
            scatter=self.moments.scatter,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, memory.getvalue())

    @classmethod
    def load(cls, path: Path) -> "NamedReference":
        """Read a file. Raise InputError if it is missing or holds no reference statistics."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                about = json.loads(str(arrays["about"]))
                mean, scatter = (np.asarray(arrays[name], dtype=np.float64) for name in ("mean", "scatter"))
                moments = Moments(int(arrays["count"]), mean, scatter)
            spec = FeatureSpec(**about["features"])
            if mean.shape != (spec.dims,) or scatter.shape != (spec.dims, spec.dims):
                raise ValueError("shapes do not match")
            return cls(spec, about["source"], about["split"], about["fingerprint"], moments)
        except FileNotFoundError:
            raise InputError(
                f"{path}: no such file. Run `ganline reference NAME` to compute reference statistics"
            ) from None
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, ValidationError) as error:
            raise InputError(
                f"{path}: not reference statistics of `ganline reference` ({' '.join(str(error).split())[:120]})"
            ) from None

    def distance(self, moments: Moments, features: FeatureSpec, label: str) -> float:
        """Return the Fréchet distance to other moments.

        Args:
            moments: Moments of other items.
            features: The extractor that computed them.
            label: What the other side is, for the message.

        Raises:
            InputError: Extractor or preprocessing differ.
        """
        self.require_same_features(features, label)
        return frechet(moments, self.moments)

    def require_same_features(self, features: FeatureSpec, label: str) -> None:
        """Raise InputError naming each difference between the extractor and another one."""
        mine, other = self.features.model_dump(), features.model_dump()
        differences = [
            f"{shown} {shorten(mine[key])} against {shorten(other[key])}"
            for key, shown in SHOWN.items()
            if mine[key] != other[key]
        ]
        if differences:
            raise InputError(
                f"the reference statistics of {self.source} and {label} have other features "
                f"({'; '.join(differences)}): distances need the same encoder and evaluate.encoder on both sides"
            )

    def describe(self) -> str:
        """Return the contents in one line."""
        spec = self.features
        data = f"{self.moments.count:,} items of {self.source} ({self.split}:{self.fingerprint[:8]})"
        return f"{data}, {spec.dims:,} features of {spec.name}:{spec.sha8}, resizing {spec.resize}, {spec.value_range}"


def shorten(value: object) -> str:
    """Return a value of a message; of a digest the first eight digits."""
    return str(value)[:8] if isinstance(value, str) and len(value) == 64 else str(value)
