"""The same number by different routes: this project's, and what other packages do. Each takes features of samples and of real images."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Route = Callable[[Float32, Float32], float]


def moments(x: Float32) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    wide = x.astype(np.float64)
    return wide.mean(axis=0), np.cov(wide, rowvar=False)


def fid_ours(fake: Float32, real: Float32) -> float:
    from pipeline.evaluation.fid import fid

    return fid(fake, real)


def fid_sqrtm(fake: Float32, real: Float32) -> float:
    """scipy.linalg.sqrtm of the product: the route of pytorch-fid, clean-fid and StyleGAN."""
    from scipy.linalg import sqrtm

    (m1, s1), (m2, s2) = moments(fake), moments(real)
    return float(np.square(m1 - m2).sum() + np.trace(s1 + s2) - 2 * np.trace(sqrtm(s1 @ s2).real))


def fid_eigvals(fake: Float32, real: Float32) -> float:
    """Eigenvalues of the product: the route of torch-fidelity and torchmetrics."""
    (m1, s1), (m2, s2) = moments(fake), moments(real)
    values = np.linalg.eigvals(s1 @ s2)
    return float(np.square(m1 - m2).sum() + np.trace(s1 + s2) - 2 * np.sqrt(values.real.clip(0)).sum())


def fid_torch_fidelity(fake: Float32, real: Float32) -> float:
    import torch
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    a, b = (fid_features_to_statistics(torch.from_numpy(x)) for x in (fake, real))
    return float(fid_statistics_to_metric(a, b, verbose=False)["frechet_inception_distance"])


def coverage_ours(fake: Float32, real: Float32) -> float:
    from pipeline.evaluation.prdc import prdc

    return prdc(fake, real).coverage


def coverage_prdc(fake: Float32, real: Float32) -> float:
    import contextlib
    import io

    from prdc import compute_prdc

    with contextlib.redirect_stdout(io.StringIO()):
        return float(compute_prdc(real, fake, 5)["coverage"])


ROUTES: dict[str, dict[str, Route]] = {
    "fid": {"ganline": fid_ours, "sqrtm": fid_sqrtm, "eigvals": fid_eigvals, "torch-fidelity": fid_torch_fidelity},
    "prdc": {"ganline": coverage_ours, "prdc": coverage_prdc},
}
