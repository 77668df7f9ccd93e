"""Protocols list every parameter of a measurement, and only equal ones are compared."""

import pytest

from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import FeatureSpec
from pipeline.evaluation.protocol import Protocol, fields, require_equal

SPEC = FeatureSpec(name="classifier", sha256="ab12cd34" + "0" * 56, dims=64, resize="none", value_range="-1..1")
PROTOCOL = Protocol(
    features=SPEC, split="test", fingerprint="9" * 64, n_real=360, n_fake=5000, n_calibrated=400, seed=0
)


def test_a_protocol_lists_every_parameter() -> None:
    assert fields(str(PROTOCOL)) == {
        "measure": "fd_classifier_ab12cd34",
        "features": "classifier:ab12cd34",
        "dims": "64",
        "resize": "none",
        "range": "-1..1",
        "uint8": "floor(127.5x+128)",
        "real": "test:99999999",
        "n_real": "360",
        "n_fake": "5000",
        "seed": "0",
        "n_calibrated": "400",
        "draws": "20",
        "k": "5",
        "bins": "100",
        "kid": "100x1000",
    }


def test_only_distances_with_the_published_weights_are_called_fid() -> None:
    assert SPEC.measure == "fd_classifier_ab12cd34"
    assert SPEC.model_copy(update={"name": "inception"}).measure == "fd_inception_ab12cd34"
    assert SPEC.model_copy(update={"name": "inception", "published": True}).measure == "fid"


def test_differences_between_protocols_are_named() -> None:
    require_equal(str(PROTOCOL), str(PROTOCOL))
    other = PROTOCOL.model_copy(update={"n_fake": 1000, "seed": 3})
    with pytest.raises(InputError, match=r"n_fake 5000 against 1000; seed 0 against 3"):
        require_equal(str(PROTOCOL), str(other))
    with pytest.raises(InputError, match="not a protocol"):
        require_equal(str(PROTOCOL), "classifier features, 5000 samples")
