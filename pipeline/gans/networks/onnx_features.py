"""A frozen ONNX graph inside a network: the text encoder that a user brings."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

BATCH = 64
"""Texts in one run of the graph."""

REMEMBERED = 100_000
"""Texts whose features are remembered; then all are forgotten."""


class OnnxFeatures(nn.Module):
    """Tokens int64 [B, L] -> features [B, features], by ONNX Runtime on the CPU, without a gradient.

    The graph is part of the state, so that a model's weights contain it. Each row of tokens is computed once. Copies
    share the graph and what is remembered.

    Args:
        features: Length of the vectors.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features
        self.graph = torch.zeros(0, dtype=torch.uint8)  # no buffer: averages and devices do not concern it
        self.session: Any = None
        self.known: dict[bytes, np.ndarray[Any, Any]] = {}

    def load(self, content: bytes) -> None:
        """Take a graph `tokens` -> `features`, serialized."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self.graph = torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())
        self.known.clear()

    @property
    def content(self) -> bytes:
        """The serialized graph."""
        return self.graph.numpy().tobytes()

    def forward(self, tokens: Tensor) -> Tensor:
        rows = tokens.detach().cpu().numpy()
        keys = [row.tobytes() for row in rows]
        new = {key: row for key, row in zip(keys, rows, strict=True) if key not in self.known}
        if len(self.known) + len(new) > REMEMBERED:
            self.known.clear()
            new = dict(zip(keys, rows, strict=True))
        for start in range(0, len(new), BATCH):
            part = dict(list(new.items())[start : start + BATCH])
            (values,) = self.session.run(["features"], {"tokens": np.stack(list(part.values()))})
            self.known.update(zip(part, values, strict=True))
        return torch.from_numpy(np.stack([self.known[key] for key in keys])).to(tokens.device)

    def get_extra_state(self) -> Tensor:
        """Return the graph, for `state_dict`."""
        return self.graph

    def set_extra_state(self, state: Tensor) -> None:
        """Take the graph of a `state_dict`."""
        if len(state) and not torch.equal(state.cpu(), self.graph):
            self.load(state.cpu().numpy().tobytes())

    def __deepcopy__(self, memo: dict[int, Any]) -> "OnnxFeatures":
        copy = OnnxFeatures(self.features)
        copy.graph, copy.session, copy.known = self.graph, self.session, self.known
        return copy
