"""Mixtures of labels, such as `--label 3:0.5,8:0.5`: shares of the classes whose styles are added."""

import math
from collections.abc import Sequence

import numpy as np

from pipeline.errors import InputError
from pipeline.serving.controls import class_index
from pipeline.serving.graph_tensors import Arrays

SHARES = "label_shares"
"""Name of the shares, float32 [n, k], next to `label` [n, k]."""


def is_mixture(text: str, classes: Sequence[str]) -> bool:
    """Return whether a label is a mixture, and not the name of a class that contains a colon."""
    return ":" in text and text not in classes


def parse_mixture(text: str, classes: Sequence[str]) -> dict[int, float]:
    """Return the shares of class indices, which sum to 1, of "3:0.5,8:0.5"; a single class has the share 1.

    Raises InputError for a class that does not exist and for shares that are not positive numbers.
    """
    if not is_mixture(text, classes):
        return {class_index(text, classes): 1.0}
    shares: dict[int, float] = {}
    for part in text.split(","):
        name, colon, number = part.rpartition(":")
        try:
            share = float(number)
        except ValueError:
            share = math.nan
        if not colon or not share > 0 or math.isinf(share):
            raise InputError(f"--label {text}: a mixture is CLASS:SHARE,CLASS:SHARE, such as 3:0.5,8:0.5.")
        index = class_index(name.strip(), classes)
        shares[index] = shares.get(index, 0.0) + share
    return {index: share / sum(shares.values()) for index, share in shares.items()}


def mixture_rows(labels: Sequence[str], classes: Sequence[str]) -> Arrays:
    """Return `label` and their shares, [n, k] each, of labels that may be mixtures of up to k classes."""
    mixtures = [list(parse_mixture(text, classes).items()) for text in labels]
    most = max(map(len, mixtures))
    # The share of an entry that only fills the row is 0.
    filled = [mixture + [(mixture[0][0], 0.0)] * (most - len(mixture)) for mixture in mixtures]
    rows = np.array(filled, dtype=np.float64)
    return {"label": rows[:, :, 0].astype(np.int64), SHARES: rows[:, :, 1].astype(np.float32)}
