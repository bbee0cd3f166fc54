"""A model for tests of searches that look ahead: the next token depends on the last one, and states are one-hot."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from bartleby.backends.pytorch.outputs import BaseModelOutputWithPastAndCrossAttentions as Decoded


class TableReader:
    """As `ModelReader` and `Writer`, over a table of logits (v, v); remembers what it was asked to read."""

    def __init__(self, table: Any, positions: int = 100) -> None:
        self.table = torch.as_tensor(table, dtype=torch.float32)
        self.known = self.unnamed = 0
        self.prompt_mask = None
        self.asked: list[list[list[int]]] = []
        self.model = type("Model", (), {"device": torch.device("cpu"), "config": None})()
        self.model.config = type("Config", (), {"max_position_embeddings": positions})()

    def look(self, ids: Any) -> Decoded:
        new = ids[:, self.known :]
        self.asked.append(new.tolist())
        self.known = ids.shape[1]
        return Decoded(F.one_hot(new, len(self.table)).float())

    def score(self, states: Any) -> Any:
        return states @ self.table

    def step(self, ids: Any) -> Any:
        return self.score(self.look(ids).last_hidden_state[:, -1])

    def saw(self, logits: Any, decoded: Any) -> None: ...

    def crop(self, length: int) -> None:
        self.known = min(self.known, length)

    def reorder(self, rows: Any) -> None: ...

    def keep(self, sources: Any) -> None: ...
