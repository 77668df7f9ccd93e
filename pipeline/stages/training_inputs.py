"""Open what the train stage reads."""

from dataclasses import dataclass

import torch

from pipeline import processes
from pipeline.data.store import DatasetInfo, ItemSet, open_split
from pipeline.errors import InputError
from pipeline.media.registry import find_medium
from pipeline.params import Params
from pipeline.serving.onnx.text_encoder import TextEncoderGraph
from pipeline.stages.parent import find_parent
from pipeline.stages.paths import Paths
from pipeline.stages.text_encoder import read_text_encoder, with_item, with_tokenizer
from pipeline.stages.worker_data import open_worker_data, require_folder
from pipeline.training.device import pick_device
from pipeline.training.warm_start import Parent


@dataclass(frozen=True)
class Inputs:
    """What the stage reads, and the device it trains on; `reference` is what samples are compared with.

    `text` is a user's text encoder, whose tokenizer then reads the captions of all items.
    """

    paths: Paths
    params: Params
    info: DatasetInfo
    data: ItemSet
    reference: ItemSet
    test: ItemSet
    items: int
    device: torch.device
    parent: Parent | None
    text: TextEncoderGraph | None = None

    @property
    def noun(self) -> str:
        """One item in words."""
        return find_medium(self.info.item.medium).noun


def open_inputs(paths: Paths, params: Params) -> Inputs:
    """Open the training split, and the parent of a warm start.

    Raises:
        InputError: The data was made with other parameters, or the parent does not fit.
    """
    if params.model.own_data:
        return open_workers(paths, params)
    info = DatasetInfo.read(paths.dataset)
    if info.pairs != params.data.pairs:
        raise InputError(
            f"{paths.dataset}: was made with data.pairs {info.pairs}, but {paths.params} says {params.data.pairs}. "
            "Run `dvc repro`"
        )
    parent = find_parent(paths, params, info)
    device = pick_device(params.train.device)
    data = open_split(paths.dataset, paths.validated, "train", verify=True)
    test = open_split(paths.dataset, paths.validated, "test")
    text = read_text_encoder(paths.root, params, data)
    if text:
        info = with_tokenizer(info, text)
        data, test = with_item(data, info), with_item(test, info)
    return Inputs(paths, params, info, data, data, test, len(data), device, parent, text)


def open_workers(paths: Paths, params: Params) -> Inputs:
    """Open the workers' own data sets; only the first process reads held-out items.

    Raises:
        InputError: A data set is missing or does not fit, or the parent does not fit.
    """
    first = processes.is_first()
    if first:
        require_folder(paths.server)
    info = processes.from_first(lambda: DatasetInfo.read(paths.server / "dataset"))
    parent = find_parent(paths, params, info)
    device = pick_device(params.train.device)
    data = open_worker_data(paths, params.model.own_data, info.item)
    test = open_split(paths.server / "dataset", paths.server / "validated", "test", verify=True) if first else data
    return Inputs(paths, params, info, data, test, test, data.total, device, parent)
