"""Tables with more rows or fewer: tokens that were added to the vocabulary, positions for longer texts.

Every row that stays keeps its numbers to the bit. What the new ones hold is decided, not drawn, unless asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bartleby.backends.pytorch.loading.building import Building
from bartleby.errors import ConfigError, OptionError, raise_all
from bartleby.family.architecture import architecture_of
from bartleby.family.config import PreTrainedConfig

Method = Literal["interpolate", "copy", "zero"]
NewRows = Callable[[Tensor, int], Tensor]
"""A table and a number of rows -> that many rows to put below it."""

TOKEN_TABLES = ("shared", "embed_tokens", "lm_head")
"""What modules with a vector a token are called; there may be several of each name, tied or not."""


class Resizing(Building):
    """A model whose vocabulary and texts may become longer."""

    def resize_token_embeddings(
        self,
        new_num_tokens: int | None = None,
        pad_to_multiple_of: int | None = None,
        mean_resizing: bool = True,
    ) -> nn.Module:
        """Give every table of tokens `new_num_tokens` rows, rounded up to a multiple; returns the input table.

        New rows are the mean of the old ones, see `mean_rows`, or with `mean_resizing=False` drawn as those of a new
        model. `final_logits_bias` grows by zeros, and `vocab_size` follows. Without numbers, nothing changes.
        Raises: OptionError if a number is none, ConfigError if a token that the config names would lose its row.
        """
        table: Any = self.get_input_embeddings()
        rows = rows_asked(table.weight.shape[0], new_num_tokens, pad_to_multiple_of)
        if new_num_tokens is None and pad_to_multiple_of is None:
            return table
        refuse_lost_tokens(self.config, rows)
        tables = [module for name, module in self.named_modules() if name.rpartition(".")[2] in TOKEN_TABLES]
        resize_tables(tables, rows, mean_rows if mean_resizing else drawn_rows(self.config.init_std))
        for name, bias in list(self.named_buffers(recurse=False)):
            if name == "final_logits_bias":
                self.register_buffer(name, resized(bias.T, rows, zero_rows).T.contiguous())
        for config in self._configs():
            config.vocab_size = rows
        self.tie_weights()
        return self.get_input_embeddings()

    def resize_position_embeddings(self, new_num_position_embeddings: int, method: Method = "interpolate") -> None:
        """Let both stacks read and write texts of this many tokens; what `method` means: `resized_positions`.

        Only training on longer texts makes a model good at them. `max_position_embeddings` follows.
        Raises: OptionError if there is no such method, or the number is none.
        """
        offset = architecture_of(self.config.model_type).position_offset
        stacks: list[Any] = [module for module in self.modules() if hasattr(module, "embed_positions")]
        for stack in stacks:
            old: nn.Embedding = stack.embed_positions
            new = resized_positions(old.weight.detach(), new_num_position_embeddings, offset, method)
            old.weight = nn.Parameter(new, requires_grad=old.weight.requires_grad)
            old.num_embeddings = len(new)
            for limit in ("max_source_positions", "max_target_positions"):
                if hasattr(stack, limit):
                    setattr(stack, limit, new_num_position_embeddings)
        for config in self._configs():
            config.max_position_embeddings = new_num_position_embeddings

    def get_position_embeddings(self) -> nn.Module | tuple[nn.Module, ...]:
        """The tables of positions: the encoder's and the decoder's, or that of the only stack."""
        stacks: list[Any] = [module for module in self.modules() if hasattr(module, "embed_positions")]
        tables = tuple(stack.embed_positions for stack in stacks)
        return tables[0] if len(tables) == 1 else tables

    def get_input_embeddings(self) -> nn.Module:
        """The table of token vectors."""
        raise NotImplementedError

    def _configs(self) -> list[PreTrainedConfig]:
        """Each once: the parts of a model may share one, or have their own."""
        found = {id(each): each for module in self.modules() if (each := getattr(module, "config", None)) is not None}
        return list(found.values())


def rows_asked(now: int, new_num_tokens: int | None, pad_to_multiple_of: int | None) -> int:
    """How many rows a table of `now` rows is to have.

    Raises: OptionError if one of the numbers is none.
    """
    asked = {"new_num_tokens": new_num_tokens, "pad_to_multiple_of": pad_to_multiple_of}
    faults = [
        f"`{name}` must be a whole number of at least 1, but is {value!r}."
        for name, value in asked.items()
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1)
    ]
    raise_all(OptionError, faults, "resize_token_embeddings")
    rows = now if new_num_tokens is None else new_num_tokens
    return rows if pad_to_multiple_of is None else -(-rows // pad_to_multiple_of) * pad_to_multiple_of


def refuse_lost_tokens(config: PreTrainedConfig, rows: int) -> None:
    """Raises: ConfigError if a token that the config names would lose its row."""
    changed = type(config).from_dict(config.to_dict())
    before = set(changed.faults())
    changed.vocab_size = rows
    faults = [fault for fault in changed.faults() if fault not in before]
    raise_all(ConfigError, faults, f"A vocabulary of {rows} tokens")


def resize_tables(tables: Iterable[nn.Module], rows: int, new_rows: NewRows) -> None:
    """Give every table of vectors `rows` rows; tables that were one tensor are one tensor again."""
    renewed: dict[int, nn.Parameter] = {}
    for table in tables:
        old = table.weight
        assert isinstance(old, nn.Parameter)
        if id(old) not in renewed:
            renewed[id(old)] = nn.Parameter(resized(old.detach(), rows, new_rows), requires_grad=old.requires_grad)
        table.weight = renewed[id(old)]
        if isinstance(table, nn.Embedding):
            table.num_embeddings = rows
        elif isinstance(table, nn.Linear):
            table.out_features = rows


def resized(table: Tensor, rows: int, new_rows: NewRows) -> Tensor:
    """(n, d) -> (rows, d): cut off, or with new rows below."""
    more = rows - len(table)
    return table[:rows].clone() if more <= 0 else torch.cat([table, new_rows(table, more).to(table)])


def mean_rows(table: Tensor, count: int) -> Tensor:
    """The mean of all rows, which changes the other tokens' probabilities least.

    Release 5 adds noise to it with a thousand-millionth of the table's covariance: too little to matter, and another
    model each time. Here two models resized alike are equal.
    Source: Hewitt 2021, "Initializing new word embeddings for pretrained language models".
    """
    return table.mean(dim=0, keepdim=True, dtype=torch.float32).expand(count, -1)


def zero_rows(table: Tensor, count: int) -> Tensor:
    return torch.zeros(count, table.shape[1])


def drawn_rows(std: float) -> NewRows:
    """Rows drawn as those of a new model are."""
    return lambda table, count: torch.empty(count, table.shape[1], device=table.device).normal_(std=std)


def resized_positions(table: Tensor, positions: int, offset: int, method: Method) -> Tensor:
    """A table of positions for more of them, or fewer; the first `offset` rows, which are no positions, stay.

    "copy" lays the old table end on end, "zero" adds rows of zeros, "interpolate" stretches the old table over all
    positions, first to first and last to last. Fewer positions are the first ones, whatever the method.
    Shapes: (offset + n, d) -> (offset + positions, d).
    Raises: OptionError if there is no such method, or no position would be left.
    Source: copying is Longformer's (arXiv 2004.05150), section 5; interpolation is Chen et al. 2023 (arXiv 2306.15595).
    """
    if method not in ("interpolate", "copy", "zero"):
        raise OptionError(f"`method` must be interpolate, copy or zero, but is {method!r}.")
    if not isinstance(positions, int) or isinstance(positions, bool) or positions < 1:
        raise OptionError(f"The number of positions must be a whole number of at least 1, but is {positions!r}.")
    kept, old = table[:offset], table[offset:]
    if positions <= len(old):
        return table[: offset + positions].clone()
    if method == "copy":
        new = old[torch.arange(positions, device=table.device) % len(old)]
    elif method == "zero":
        new = F.pad(old, (0, 0, 0, positions - len(old)))
    else:  # (n, d) -> (1, d, n) -> (1, d, positions), in float32: half types lose small steps
        stretched = F.interpolate(old.float().T[None], size=positions, mode="linear", align_corners=True)
        new = stretched[0].T.to(table.dtype)
    return torch.cat([kept, new])
