"""What clients of a model notice if another model takes its place."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.serving.runtime.contract import class_changes, contract_changes, summarise
from pipeline.serving.runtime.generator import Graph
from tests.serving.edited_graphs import with_classes


@pytest.fixture(scope="module")
def labelled(labelled_graph: Any) -> Graph:
    return Graph(labelled_graph.path)


def relabelled(graph: Graph, classes: list[str]) -> Graph:
    return Graph(graph.path, with_classes(graph.path, classes))


def test_the_same_contract_has_no_changes(labelled: Graph) -> None:
    assert contract_changes(labelled, labelled) == []
    assert contract_changes(labelled, relabelled(labelled, ["a", "b", "c", "d", "e", "f"])) == [], "a new last class"


def test_renumbered_and_missing_classes_are_changes(labelled: Graph) -> None:
    assert contract_changes(labelled, relabelled(labelled, ["a", "aa", "b", "c", "d", "e"])) == [
        "class 1 is 'aa', was 'b'",
        "class 2 is 'b', was 'c'",
        "class 3 is 'c', was 'd'",
        "class 4 is 'd', was 'e'",
    ]
    assert contract_changes(labelled, relabelled(labelled, ["a", "b", "c", "d"])) == ["class 4 ('e') is missing"]


def test_class_names_do_not_matter_without_labels(plain_graph: Any) -> None:
    plain = Graph(plain_graph.path)
    assert contract_changes(plain, relabelled(plain, ["x"])) == []


def test_other_tensors_are_changes(labelled: Graph, styled_graph: Any, plain_graph: Any, upscaler: Path) -> None:
    styled, plain, larger = Graph(styled_graph.path), Graph(plain_graph.path), Graph(upscaler)
    changes = contract_changes(styled, plain)
    assert changes[:3] == [
        "the input label is missing",
        "the input psi is missing",
        "the input z is float [-1, 24], was float [-1, 6]",
    ]
    assert "the output w is missing" in changes
    assert "the output images is float [-1, 1, 16, 16], was float [-1, 1, 8, 8]" in changes
    assert "the input psi is new" in contract_changes(labelled, styled)
    assert contract_changes(larger, larger) == []
    assert "the scale is 2, was 1" in contract_changes(plain, larger)


def test_long_lists_are_shortened() -> None:
    names = [str(k) for k in range(8)]
    assert summarise(class_changes(names, names[1:])).endswith("class 4 is '5', was '4'; and 3 more")
