"""The features of every medium as ONNX: the file measures what the network measures."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from pipeline.evaluation.extractors.base import Extractor
from pipeline.evaluation.extractors.contrastive import Contrastive, describe, initialise
from pipeline.items import ItemSpec
from pipeline.media.registry import MEDIA, tensors_of
from pipeline.tasks.extractor_export import keep_extractor


def open_contrastive(item: ItemSpec) -> Extractor:
    network = initialise(item).eval()
    return Contrastive(describe(network, "ab" * 32), network, tensors_of(item), torch.device("cpu"))


def default_item(medium: str) -> ItemSpec:
    settings: Any = MEDIA[medium].Settings
    return MEDIA[medium].spec(settings(), ())


TRACKS: Any = MEDIA["music"].Settings
ITEMS = {name: default_item(name) for name in MEDIA} | {
    "tracks": MEDIA["music"].spec(TRACKS(tracks=("drums", "piano"), onsets=True, pitches=(60, 71)), ()),
    "onsets": MEDIA["music"].spec(TRACKS(onsets=True), ()),
}


@pytest.mark.parametrize("name", ITEMS)
def test_the_file_measures_the_same_features(name: str, tmp_path: Path) -> None:
    """Features that are learned without labels contain those of the untrained network."""
    item = ITEMS[name]
    extractor = open_contrastive(item)
    path = keep_extractor(extractor, item, tmp_path, 20)
    assert path is not None
    values = torch.rand(3, item.network_channels, item.height, item.width) * 2 - 1
    session = onnxruntime.InferenceSession(path)
    (features,) = session.run(None, {session.get_inputs()[0].name: values.numpy()})
    with torch.inference_mode():
        expected = extractor.network(tensors_of(item).network_to_features(values)).numpy()
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)
