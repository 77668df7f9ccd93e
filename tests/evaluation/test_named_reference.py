"""Reference statistics: what is written is read, other features are refused, damaged files are clear errors."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import FeatureSpec
from pipeline.evaluation.measures.fid import Moments, fid
from pipeline.evaluation.named_reference import NamedReference

SPEC = FeatureSpec(
    name="encoder", sha256="a" * 64, dims=4, resize="bilinear-antialias-32", value_range="mean=0.5,std=0.5"
)
FEATURES = np.random.default_rng(0).normal(size=(50, 4))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "references" / "faces.npz"
    NamedReference(SPEC, "faces, 32x32x3", "test", "f" * 64, Moments.of(FEATURES)).save(path)
    return path


def test_the_distance_is_that_of_the_features(file: Path) -> None:
    named, other = NamedReference.load(file), np.random.default_rng(1).normal(size=(60, 4)) + 0.3
    assert named.distance(Moments.of(other), SPEC, "the samples") == pytest.approx(fid(other, FEATURES), rel=1e-12)
    assert "50 items of faces, 32x32x3 (test:ffffffff), 4 features of encoder:aaaaaaaa" in named.describe()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "b" * 64}, "weights aaaaaaaa against bbbbbbbb"),
        ({"value_range": "mean=0,std=1"}, "range mean=0.5,std=0.5 against mean=0,std=1"),
        ({"resize": "none", "dims": 8}, "resizing bilinear-antialias-32 against none; dimensions 4 against 8"),
    ],
)
def test_other_encoders_and_preprocessing_are_refused(file: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        NamedReference.load(file).distance(Moments.of(FEATURES), SPEC.model_copy(update=change), "the samples")


def test_unusable_files_are_clear_errors(file: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        NamedReference.load(file.with_name("other.npz"))
    content = file.read_bytes()
    for damaged in (b"", b"text", content[: len(content) // 2]):
        file.write_bytes(damaged)
        with pytest.raises(InputError, match="not reference statistics"):
            NamedReference.load(file)
    np.savez(file, about=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="not reference statistics"):
        NamedReference.load(file)
