"""The contract between a model and its clients: names, types and shapes of the tensors, and what a label means."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.serving.runtime.generator import Graph

INDEXED_BY_CLASS = {"label", "logits"}
"""Tensors whose meaning depends on the order of the classes."""

ITEM_FACTS = ("medium", "dtype", "symbols")

LISTED_CHANGES = 5
"""Changes that a message lists."""


def contract_changes(old: Graph, new: Graph) -> list[str]:
    """Return what clients of `old` would notice if `new` replaced it; empty if nothing.

    Additional outputs and classes after the existing ones are no change.
    """
    changes = tensor_changes("input", describe(old.session.get_inputs()), describe(new.session.get_inputs()))
    outputs = describe(old.session.get_outputs()), describe(new.session.get_outputs())
    known = {name: tensor for name, tensor in outputs[1].items() if name in outputs[0]}
    changes += tensor_changes("output", outputs[0], known)
    if INDEXED_BY_CLASS & {*old.inputs, *old.outputs}:
        changes += class_changes(old.metadata.classes, new.metadata.classes)
    before, after = old.metadata, new.metadata
    if "tokens" in old.inputs and before.item.vocabulary != after.item.vocabulary:
        changes.append("the words of texts have other tokens")
    if before.scale != after.scale:
        changes.append(f"the scale is {after.scale}, was {before.scale}")
    for fact in ITEM_FACTS:
        value, former = getattr(after.item, fact), getattr(before.item, fact)
        if value != former:
            changes.append(f"the {fact} of an item is {value}, was {former}")
    return changes


def describe(tensors: Iterable[Any]) -> dict[str, str]:
    """Return type and shape of ONNX Runtime's tensors as text, by name. -1 stands for the batch and for any size."""
    return {
        tensor.name: f"{tensor.type.removeprefix('tensor(').removesuffix(')')} "
        f"{[size if isinstance(size, int) else -1 for size in tensor.shape]}"
        for tensor in tensors
    }


def tensor_changes(kind: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Return which tensors are missing, new, or of another type or shape."""
    changes = [f"the {kind} {name} is missing" for name in old if name not in new]
    changes += [f"the {kind} {name} is new" for name in new if name not in old]
    return changes + [
        f"the {kind} {name} is {new[name]}, was {old[name]}" for name in old if name in new and new[name] != old[name]
    ]


def class_changes(old: list[str], new: list[str]) -> list[str]:
    """Return which class indices mean another class, or none."""
    changes = [
        f"class {index} is {after!r}, was {before!r}"
        for index, (before, after) in enumerate(zip(old, new, strict=False))
        if before != after
    ]
    return changes + [f"class {index} ({old[index]!r}) is missing" for index in range(len(new), len(old))]


def summarise(changes: list[str]) -> str:
    """Return the changes as one phrase."""
    more = f"; and {len(changes) - LISTED_CHANGES} more" if len(changes) > LISTED_CHANGES else ""
    return "; ".join(changes[:LISTED_CHANGES]) + more
