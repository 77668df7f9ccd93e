"""The same metric by different methods: ganline's and those of other packages.

Each takes features of samples, and either features of real images or statistics computed from them beforehand.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Route = Callable[[Float32, Any], float]
Known = Callable[[Float32], Any]


Moments = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def moments(x: Float32) -> Moments:
    wide = x.astype(np.float64)
    return wide.mean(axis=0), np.cov(wide, rowvar=False)


def side(x: Float32) -> Any:
    """Return what ganline keeps of a reference: features, moments and their Cholesky factor."""
    from pipeline.evaluation.measures.fid import Side

    kept = Side(x)
    _ = kept.moments.lower
    return kept


def fid_ours(fake: Float32, real: Any) -> float:
    from pipeline.evaluation.measures.fid import fid

    return fid(fake, real)


def fid_sqrtm(fake: Float32, real: Moments) -> float:
    """Compute the Fréchet distance with scipy.linalg.sqrtm, as pytorch-fid, clean-fid and StyleGAN do."""
    from scipy.linalg import sqrtm

    (m1, s1), (m2, s2) = moments(fake), real
    return float(np.square(m1 - m2).sum() + np.trace(s1 + s2) - 2 * np.trace(sqrtm(s1 @ s2).real))


def fid_eigvals(fake: Float32, real: Moments) -> float:
    """Compute the Fréchet distance with the eigenvalues of the product, as torch-fidelity and torchmetrics do."""
    (m1, s1), (m2, s2) = moments(fake), real
    values = np.linalg.eigvals(s1 @ s2)
    return float(np.square(m1 - m2).sum() + np.trace(s1 + s2) - 2 * np.sqrt(values.real.clip(0)).sum())


def statistics(x: Float32) -> Any:
    import torch
    from torch_fidelity.metric_fid import fid_features_to_statistics

    return fid_features_to_statistics(torch.from_numpy(x))


def fid_torch_fidelity(fake: Float32, real: Any) -> float:
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    return float(fid_statistics_to_metric(statistics(fake), real, verbose=False)["frechet_inception_distance"])


def coverage_ours(fake: Float32, real: Float32) -> float:
    from pipeline.evaluation.measures.prdc import prdc

    return prdc(fake, real).coverage


def coverage_prdc(fake: Float32, real: Float32) -> float:
    import contextlib
    import io

    from prdc import compute_prdc

    with contextlib.redirect_stdout(io.StringIO()):
        return float(compute_prdc(real, fake, 5)["coverage"])


def as_it_is(x: Float32) -> Float32:
    return x


def from_features(route: Route, known: Known) -> Route:
    return lambda fake, real: route(fake, known(real))


FID: dict[str, tuple[Route, Known]] = {
    "ganline": (fid_ours, side),
    "sqrtm": (fid_sqrtm, moments),
    "eigvals": (fid_eigvals, moments),
    "torch-fidelity": (fid_torch_fidelity, statistics),
}

ROUTES: dict[str, dict[str, tuple[Route, Known]]] = {
    "fid": {name: (from_features(route, known), as_it_is) for name, (route, known) in FID.items()},
    "fid, reference kept": FID,
    "prdc": {"ganline": (coverage_ours, as_it_is), "prdc": (coverage_prdc, as_it_is)},
}
"""For each metric and method: the timed call, and what prepares the features of the real images before it."""
