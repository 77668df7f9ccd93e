"""Protocols list every parameter of a measurement, and only equal ones are compared."""

import pytest

from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import FeatureSpec
from pipeline.evaluation.protocol import Protocol, describe_rounding, fields, require_equal
from pipeline.items import ItemSpec
from tests.specs import image_spec

SPEC = FeatureSpec(name="classifier", sha256="ab12cd34" + "0" * 56, dims=64, resize="none", value_range="-1..1")
PROTOCOL = Protocol(
    features=SPEC,
    item=image_spec(8, 1),
    split="test",
    fingerprint="9" * 64,
    n_real=360,
    n_fake=5000,
    n_calibrated=400,
    seed=0,
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


def test_the_rounding_of_every_dtype_is_stated() -> None:
    shape = {"height": 4, "width": 4, "channels": 1}
    assert describe_rounding(ItemSpec(**shape, dtype="uint16")) == "floor(32767.5x+32768)"
    assert describe_rounding(ItemSpec(**shape, dtype="int16")) == "floor(32767x+0.5)"
    assert describe_rounding(ItemSpec(**shape, symbols=3)) == "argmax"
