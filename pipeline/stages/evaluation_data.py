"""The real data of a project, as an evaluation sees them."""

from pipeline.data.store import DatasetInfo
from pipeline.evaluation.extractors.classifier import Labelled
from pipeline.evaluation.real_data import RealData
from pipeline.params import Params
from pipeline.stages.paths import Paths
from pipeline.tasks.base import progress_bar
from pipeline.tasks.cluster_features import choose_compute
from pipeline.training.device import pick_device


def open_real_data(paths: Paths, params: Params, info: DatasetInfo, train: Labelled, test: Labelled) -> RealData:
    """Return the real data, with the project's cache and the place where its features are computed."""
    device = pick_device(params.train.device)
    return RealData(
        train,
        test,
        info.item,
        params.evaluate,
        device,
        cache=paths.cache,
        root=paths.root,
        progress=progress_bar,
        compute=choose_compute(device),
    )
