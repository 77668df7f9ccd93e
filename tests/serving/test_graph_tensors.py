"""The table of graph tensors agrees with every exported graph, and is all that an input needs."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.captions import Vocabulary
from pipeline.errors import InputError
from pipeline.serving.graph_tensors import TENSORS, example_inputs, graph_tensor, parse_conditions, take_in_turn
from pipeline.serving.onnx.metadata import Metadata


@pytest.mark.parametrize("name", TENSORS)
def test_every_entry_is_consistent(name: str, describe: Callable[..., Metadata]) -> None:
    tensor, metadata = TENSORS[name], describe()
    words = metadata.item.model_copy(update={"vocabulary": Vocabulary.of(["a red seven"])})
    metadata = metadata.model_copy(update={"item": words})
    assert tensor.meaning
    if tensor.example is not None:
        rows = tensor.example(metadata, 5, 0)
        assert rows.dtype == np.dtype(tensor.dtype)
        assert tensor.shape is not None
        assert rows.shape == (5, *tensor.shape(metadata))
        assert tensor.violation(rows, metadata.item) is None
        assert np.array_equal(rows, tensor.example(metadata, 7, 0)[:5])
    if tensor.numpy is not None:
        rows = eval(tensor.numpy(metadata), {"np": np})
        assert tensor.shape is not None
        assert (rows.dtype, rows.shape) == (np.dtype(tensor.dtype), (16, *tensor.shape(metadata)))
        assert tensor.violation(rows, metadata.item) is None
    if tensor.control is not None:
        rows = tensor.control.parse(None, metadata)
        assert tensor.violation(rows, metadata.item) is None
        assert rows.dtype == np.dtype(tensor.dtype)


@pytest.mark.parametrize("which", ["plain_graph", "labelled_graph", "styled_graph"])
def test_examples_fit_the_graphs(which: str, request: pytest.FixtureRequest) -> None:
    exported = request.getfixturevalue(which)
    inputs = example_inputs(exported.spec.inputs, exported.metadata, 2)
    for name, like in exported.spec.inputs.items():
        assert torch.from_numpy(inputs[name]).dtype == like.dtype
        assert inputs[name].shape[1:] == tuple(like.shape[1:])
    item = exported.metadata.item
    assert all(graph_tensor(name, item) is not None for name in (*exported.spec.inputs, *exported.spec.outputs))
    assert graph_tensor("blocks", item) is None


def test_conditions_are_rows_that_items_take_in_turn(describe: Callable[..., Metadata]) -> None:
    metadata = describe(class_names=list("abc"))
    conditions = parse_conditions({"label": ["c", "0"], "psi": 0.5}, ["z", "label", "psi"], metadata)
    assert {name: rows.tolist() for name, rows in conditions.items()} == {"label": [2, 0], "psi": [0.5]}
    turned = take_in_turn(conditions, 3, start=1)
    assert (turned["label"].tolist(), turned["psi"].tolist()) == ([0, 2, 0], [0.5, 0.5, 0.5])
    assert parse_conditions({"label": [], "psi": None}, ["z"], metadata) == {}
    with pytest.raises(InputError, match=r"\(dcgan\) takes no psi"):
        parse_conditions({"psi": 1.0}, ["z", "label"], metadata)


@pytest.mark.parametrize(
    ("name", "values", "problem"),
    [
        ("psi", [0.0, 1.6], r"must lie in 0 \.\. 1\.5"),
        ("label", [-1], r"must lie in 0 \.\. 2"),
        ("z", [np.inf], "not finite"),
        ("z", [99.0], None),
        ("item", [[[[1.5]]]], None),
    ],
)
def test_values_outside_of_the_limits(
    name: str, values: Any, problem: str | None, describe: Callable[..., Metadata]
) -> None:
    violation = TENSORS[name].violation(np.array(values, TENSORS[name].dtype), describe().item)
    assert (violation is None) if problem is None else re.search(problem, str(violation))
