"""The protocol of a measurement: everything that must be equal before two numbers may be compared."""

from pipeline.code_digest import code_digest
from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import FeatureSpec
from pipeline.evaluation.measures.bins import BINS
from pipeline.evaluation.measures.calibration import DRAWS
from pipeline.evaluation.measures.kid import SUBSET_SIZE, SUBSETS
from pipeline.evaluation.measures.prdc import K
from pipeline.items import ItemSpec
from pipeline.media.registry import find_medium
from pipeline.settings import Settings


def describe_rounding(item: ItemSpec) -> str:
    """Return how the output of a generator becomes stored items, such as "floor(127.5x+128)"."""
    return find_medium(item.medium).rounding(item)


class Protocol(Settings):
    """How the numbers were measured; `str()` returns the line that is stored with them.

    Attributes:
        features: The feature extractor.
        item: Shape and dtype of an item.
        split: Name of the split that the samples are compared with.
        fingerprint: Digest of the split.
        n_real: Real images in the reference.
        n_fake: Generated images.
        n_calibrated: Images on either side of the measures that have a null, such as precision and recall.
        seed: Seed of the evaluation.
        reference: Digest of the data behind `evaluate.reference`; empty without.
    """

    features: FeatureSpec
    item: ItemSpec
    split: str
    fingerprint: str
    n_real: int
    n_fake: int
    n_calibrated: int
    seed: int
    reference: str = ""

    def __str__(self) -> str:
        """Return fields `key=value` joined by ` | `.

        The first field names the distance: "fid" only with the published Inception weights.
        """
        spec = self.features
        fields = {
            "measure": spec.measure,
            "features": f"{spec.name}:{spec.sha8}",
            "dims": spec.dims,
            "resize": spec.resize,
            "range": spec.value_range,
            self.item.dtype: describe_rounding(self.item),
            "real": f"{self.split}:{self.fingerprint[:8]}",
            "n_real": self.n_real,
            "n_fake": self.n_fake,
            "seed": self.seed,
            "n_calibrated": self.n_calibrated,
            "draws": DRAWS,
            "k": K,
            "bins": BINS,
            "kid": f"{SUBSETS}x{SUBSET_SIZE}",
            **({"reference": self.reference} if self.reference else {}),
        }
        return " | ".join(f"{key}={value}" for key, value in fields.items())


def with_code(protocol: str, *modules: str) -> str:
    """Add the digest of the measuring code to a protocol, so that redefined measures are not compared.

    Args:
        protocol: A protocol string.
        modules: Dotted names of the measuring modules; what they import counts too.
    """
    return f"{protocol} | code={code_digest(*modules)[:8]}"


def require_equal(first: str, second: str) -> None:
    """Raise InputError if two protocol strings differ; the message names each difference."""
    if first == second:
        return
    left, right = fields(first), fields(second)
    keys = [key for key in [*left, *(key for key in right if key not in left)] if left.get(key) != right.get(key)]
    differences = "; ".join(f"{key} {left.get(key, 'absent')} against {right.get(key, 'absent')}" for key in keys)
    raise InputError(f"the protocols differ ({differences}): evaluate both models with the same protocol")


def fields(protocol: str) -> dict[str, str]:
    """Parse a protocol string into its fields. Raise InputError for any other string."""
    pairs = [part.partition("=") for part in protocol.split(" | ")]
    if not all(separator for _, separator, _ in pairs):
        raise InputError(f"not a protocol: {protocol!r}. Run 'dvc repro evaluate' to measure again.")
    return {key: value for key, _, value in pairs}
