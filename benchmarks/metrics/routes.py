"""The same metric by different methods: ganline's and those of other packages.

Each takes features of samples, and either features of real images or statistics computed from them beforehand.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Moments = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Route:
    """One way to compute a metric.

    Attributes:
        compute: (features of samples, prepared real images) -> value. This call is timed.
        prepare: Features of real images -> what `compute` takes.
    """

    compute: Callable[[Float32, Any], float]
    prepare: Callable[[Float32], Any] = lambda real: real

    def with_preparation(self) -> "Route":
        """Return the route with the preparation in the timed call."""
        return Route(lambda fake, real: self.compute(fake, self.prepare(real)))


def compute_moments(x: Float32) -> Moments:
    """Return mean and covariance in float64."""
    exact = x.astype(np.float64)
    return exact.mean(axis=0), np.cov(exact, rowvar=False)


def prepare_side(x: Float32) -> Any:
    """Return what ganline keeps of a reference: features, moments and their Cholesky factor."""
    from pipeline.evaluation.measures.fid import Side

    side = Side(x)
    _ = side.moments.lower
    return side


def fid_ganline(fake: Float32, real: Any) -> float:
    """Compute the Fréchet distance with ganline."""
    from pipeline.evaluation.measures.fid import fid

    return fid(fake, real)


def fid_sqrtm(fake: Float32, real: Moments) -> float:
    """Compute the Fréchet distance with scipy.linalg.sqrtm, as pytorch-fid, clean-fid and StyleGAN do."""
    from scipy.linalg import sqrtm

    (m1, s1), (m2, s2) = compute_moments(fake), real
    return float(np.square(m1 - m2).sum() + np.trace(s1 + s2) - 2 * np.trace(sqrtm(s1 @ s2).real))


def fid_eigvals(fake: Float32, real: Moments) -> float:
    """Compute the Fréchet distance with the eigenvalues of the product, as torch-fidelity and torchmetrics do."""
    (m1, s1), (m2, s2) = compute_moments(fake), real
    values = np.linalg.eigvals(s1 @ s2)
    return float(np.square(m1 - m2).sum() + np.trace(s1 + s2) - 2 * np.sqrt(values.real.clip(0)).sum())


def prepare_torch_fidelity(x: Float32) -> Any:
    """Return the statistics that torch-fidelity keeps of a set."""
    import torch
    from torch_fidelity.metric_fid import fid_features_to_statistics

    return fid_features_to_statistics(torch.from_numpy(x))


def fid_torch_fidelity(fake: Float32, real: Any) -> float:
    """Compute the Fréchet distance with torch-fidelity."""
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    statistics = prepare_torch_fidelity(fake)
    return float(fid_statistics_to_metric(statistics, real, verbose=False)["frechet_inception_distance"])


def coverage_ganline(fake: Float32, real: Float32) -> float:
    """Compute precision, recall, density and coverage with ganline; return the coverage."""
    from pipeline.evaluation.measures.prdc import prdc

    return prdc(fake, real).coverage


def coverage_prdc(fake: Float32, real: Float32) -> float:
    """Compute precision, recall, density and coverage with the package prdc; return the coverage."""
    import contextlib
    import io

    from prdc import compute_prdc

    with contextlib.redirect_stdout(io.StringIO()):
        return float(compute_prdc(real, fake, 5)["coverage"])


FID = {
    "ganline": Route(fid_ganline, prepare_side),
    "sqrtm": Route(fid_sqrtm, compute_moments),
    "eigvals": Route(fid_eigvals, compute_moments),
    "torch-fidelity": Route(fid_torch_fidelity, prepare_torch_fidelity),
}

ROUTES: dict[str, dict[str, Route]] = {
    "fid": {name: route.with_preparation() for name, route in FID.items()},
    "fid, reference kept": FID,
    "prdc": {"ganline": Route(coverage_ganline), "prdc": Route(coverage_prdc)},
}
"""The routes of each metric."""
