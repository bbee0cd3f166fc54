"""Pairs of token ids, kept flat and small, and batches of them: alike in length, equal for equal seeds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from bartleby.errors import DataError, OptionError

Ids = npt.NDArray[np.int64]
Lengths = npt.NDArray[np.int64]
Tokens = npt.NDArray[np.unsignedinteger]

TARGET_BAND = 3
"""Target lengths that share a bucket: with 3, about 2 % of a batch of chat is padding."""
IGNORED_LABEL = -100


@dataclass(frozen=True)
class TokenPairs:
    """Sources and targets as two flat arrays with their lengths: 400,000 chat examples take 45 MB."""

    sources: Tokens
    targets: Tokens
    source_lengths: Lengths
    target_lengths: Lengths

    @classmethod
    def of(cls, pairs: Iterable[tuple[Sequence[int], Sequence[int]]], vocab_size: int) -> TokenPairs:
        """Flatten `pairs` of ids below `vocab_size`."""
        sources, targets = zip(*pairs, strict=True) if (pairs := list(pairs)) else ((), ())
        flat = [_flat(side, vocab_size) for side in (sources, targets)]
        lengths = [np.array([len(ids) for ids in side], dtype=np.int64) for side in (sources, targets)]
        return cls(flat[0], flat[1], lengths[0], lengths[1])

    def __len__(self) -> int:
        return len(self.source_lengths)

    def take(self, rows: Ids) -> TokenPairs:
        """The pairs number `rows`, in that order."""
        sources = _picked(self.sources, self.source_lengths, rows)
        targets = _picked(self.targets, self.target_lengths, rows)
        return TokenPairs(sources, targets, self.source_lengths[rows], self.target_lengths[rows])

    def rows(self) -> tuple[list[list[int]], list[list[int]]]:
        """Sources and targets as lists of ids."""
        return _rows(self.sources, self.source_lengths), _rows(self.targets, self.target_lengths)

    def save(self, path: Path) -> None:
        """Write one `.npz`, first under a temporary name."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.npz")
        try:
            np.savez(draft, **vars(self))
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> TokenPairs:
        """Raises: DataError if the file was not written by `save`."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return cls(*(stored[name] for name in cls.__dataclass_fields__))
        except (OSError, KeyError, ValueError, EOFError, BadZipFile) as fault:
            raise DataError(f"{path} cannot be read: {fault}. Delete it; it is made anew from the corpora.") from None


@dataclass(frozen=True)
class Batch:
    """What one step sees; `target_ids` is the decoder's input.

    Shapes: source_ids and source_mask (b, s); target_ids and labels (b, t).
    """

    source_ids: Ids
    source_mask: Ids
    target_ids: Ids
    labels: Ids

    @property
    def arrays(self) -> Mapping[str, Ids]:
        """All of it, by the names the published models give their arguments."""
        names = ("input_ids", "attention_mask", "decoder_input_ids", "labels")
        return dict(zip(names, (self.source_ids, self.source_mask, self.target_ids, self.labels), strict=True))

    def part(self, index: int, parts: int) -> Batch:
        """Every `parts`-th row from number `index` on, as wide as it was; there may be none."""
        return Batch(*(array[index::parts] for array in self.arrays.values()))

    @property
    def examples(self) -> int:
        return len(self.labels)

    @property
    def tokens(self) -> int:
        """Tokens of sources and targets, padding left out."""
        return int(self.source_mask.sum() + (self.labels != IGNORED_LABEL).sum())


@dataclass(frozen=True)
class Padding:
    """The ids that collation adds."""

    pad_token_id: int
    decoder_start_token_id: int


class Batches:
    """The batches of epoch after epoch, numbered from 0; number n is the same whenever it is asked for.

    A batch holds at most `tokens` places, padding included, in rows alike in target length, then in source length.
    Every epoch draws other neighbours and another order.
    """

    def __init__(self, pairs: TokenPairs, padding: Padding, tokens: int, seed: int) -> None:
        longest = int((pairs.source_lengths + pairs.target_lengths).max(initial=0))
        if not len(pairs):
            raise DataError("There is no example to learn from. Check the corpora and the length limits.")
        if tokens < longest:
            raise OptionError(f"`batch_tokens` must be at least {longest}, the longest example, but is {tokens}.")
        self.pairs, self.padding, self.tokens, self.seed = pairs, padding, tokens, seed
        self._source_starts = _starts(pairs.source_lengths)
        self._target_starts = _starts(pairs.target_lengths)

    def from_number(self, start: int) -> Iterator[Batch]:
        """Batches without end, from number `start` on."""
        epoch = 0
        while True:
            plan = self.plan(epoch)
            for rows in plan[start:]:
                yield self.collate(rows)
            start = max(0, start - len(plan))
            epoch += 1

    def once(self) -> Iterator[Batch]:
        """Every example once."""
        yield from map(self.collate, self.plan(0))

    def plan(self, epoch: int) -> list[Ids]:
        """Which examples go together in this epoch, in the order they come."""
        generator = np.random.default_rng([self.seed, epoch])
        sources, targets = self.pairs.source_lengths, self.pairs.target_lengths
        order = np.lexsort((generator.random(len(sources)), sources, -(-targets // TARGET_BAND)))
        batches = list(_cut(order, sources, targets, self.tokens))
        return [batches[index] for index in generator.permutation(len(batches))]

    def collate(self, rows: Ids) -> Batch:
        """Pad the examples `rows` to the longest of them."""
        pairs = self.pairs
        source_ids, source_mask = _padded(
            pairs.sources, self._source_starts, pairs.source_lengths, rows, self.padding.pad_token_id
        )
        labels, target_mask = _padded(pairs.targets, self._target_starts, pairs.target_lengths, rows, IGNORED_LABEL)
        target_ids = np.full_like(labels, self.padding.pad_token_id)
        target_ids[:, 0] = self.padding.decoder_start_token_id
        target_ids[:, 1:] = np.where(target_mask[:, 1:] == 1, labels[:, :-1], self.padding.pad_token_id)
        return Batch(source_ids, source_mask, target_ids, labels)


def _flat(rows: Sequence[Sequence[int]], vocab_size: int) -> Tokens:
    ids = (token for row in rows for token in row)
    return np.fromiter(ids, np.uint16) if vocab_size <= 2**16 else np.fromiter(ids, np.uint32)


def _picked(flat: Tokens, lengths: Lengths, rows: Ids) -> Tokens:
    starts = _starts(lengths)
    pieces = [flat[starts[row] : starts[row] + lengths[row]] for row in rows]
    return np.concatenate(pieces) if pieces else flat[:0]


def _rows(flat: Tokens, lengths: Lengths) -> list[list[int]]:
    return [row.tolist() for row in np.split(flat, np.cumsum(lengths)[:-1])] if len(lengths) else []


def _starts(lengths: Lengths) -> Lengths:
    return np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)


def _cut(order: Ids, sources: Lengths, targets: Lengths, tokens: int) -> Iterator[Ids]:
    """Split `order` wherever one more row, padded with the others, would make more than `tokens` places."""
    start = widest_source = widest_target = 0
    for end, row in enumerate(order.tolist()):
        source, target = max(widest_source, int(sources[row])), max(widest_target, int(targets[row]))
        if (source + target) * (end - start + 1) > tokens:
            yield order[start:end]
            start, source, target = end, int(sources[row]), int(targets[row])
        widest_source, widest_target = source, target
    yield order[start:]


def _padded(flat: Tokens, starts: Lengths, lengths: Lengths, rows: Ids, filler: int) -> tuple[Ids, Ids]:
    """Rows of a flat array side by side, and where they hold a token; (b, longest) twice."""
    places = np.arange(int(lengths[rows].max()))
    mask = places[None, :] < lengths[rows][:, None]
    ids = np.full(mask.shape, filler, dtype=np.int64)
    ids[mask] = flat[(starts[rows][:, None] + places[None, :])[mask]]
    return ids, mask.astype(np.int64)
