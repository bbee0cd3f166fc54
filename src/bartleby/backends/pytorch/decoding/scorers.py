"""The beam scorers of 4.x: what the doors of `entry_points.py` take their settings from.

They also do what they did there for loops written against them: `process` sorts a step's candidates into beams and
finished hypotheses, `finalize` gives back the best. They decide row by row; the library's own searches do not use them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bartleby.errors import OptionError, ShapeError, raise_all
from bartleby.generation.banks import Follower, steps_of
from bartleby.generation.beams import Candidate
from bartleby.generation.config import listed
from bartleby.generation.constraints import Constraint, ConstraintListState

Trail = tuple[Tensor, ...] | None
Hypothesis = tuple[float, Tensor, Trail]
"""Score, ids without the end token, and the rows its tokens were chosen for."""


class BeamHypotheses:
    """The best finished outputs of one search, in the order in which they came."""

    def __init__(
        self, num_beams: int, length_penalty: float, early_stopping: bool | str, max_length: int | None = None
    ) -> None:
        if not isinstance(early_stopping, bool) and max_length is None:
            raise OptionError('`max_length` must be set with `early_stopping` "never", but is None.')
        self.num_beams, self.length_penalty = num_beams, length_penalty
        self.early_stopping, self.max_length = early_stopping, max_length
        self.beams: list[Hypothesis] = []
        self.worst_score = 1e9

    def __len__(self) -> int:
        return len(self.beams)

    def add(
        self, hyp: Tensor, sum_logprobs: float, beam_indices: Trail = None, generated_len: int | None = None
    ) -> None:
        """Keep `hyp` if it is among the best; of equals, the earlier stays."""
        score = sum_logprobs / (hyp.shape[-1] if generated_len is None else generated_len) ** self.length_penalty
        if len(self) == self.num_beams:
            if score <= self.worst_score:
                return
            del self.beams[min(range(len(self)), key=lambda place: self.beams[place][0])]
        self.beams.append((score, hyp, beam_indices))
        self.worst_score = min(one[0] for one in self.beams)

    def is_done(self, best_sum_logprobs: float, cur_len: int, decoder_prompt_len: int | None = 0) -> bool:
        """Whether nothing that goes on can displace one of these; `cur_len` counts the prompt."""
        if len(self) < self.num_beams:
            return False
        if self.early_stopping is True:
            return True
        length = cur_len
        if self.early_stopping is not False and self.length_penalty > 0:
            length = self.max_length or cur_len
        return self.worst_score >= best_sum_logprobs / (length - (decoder_prompt_len or 0)) ** self.length_penalty


class BeamScorer(ABC):
    """What a loop of beam search asks, in every step and at the end."""

    @abstractmethod
    def process(
        self, input_ids: Tensor, next_scores: Tensor, next_tokens: Tensor, next_indices: Tensor, **kwargs: Any
    ) -> dict[str, Tensor]:
        """The next beams. Shapes: input_ids (b · n, t), others (b, candidates), best first -> three of (b · n,)."""

    @abstractmethod
    def finalize(
        self,
        input_ids: Tensor,
        next_scores: Tensor,
        next_tokens: Tensor,
        next_indices: Tensor,
        max_length: int,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The best outputs. Shapes: input_ids (b · n, t), next_scores (b · n,) -> sequences (b · kept, longest) …"""


@dataclass(frozen=True)
class Step:
    """What one step of `process` knows besides its candidates."""

    input_ids: Tensor
    eos: tuple[int, ...]
    trails: Sequence[tuple[Tensor, ...]] | None
    prompt_length: int

    def trail(self, row: int) -> Trail:
        return None if self.trails is None else (*self.trails[row], torch.tensor(row))


class BeamSearchScorer(BeamScorer):
    """Beam search, also in groups: group j of source i has the hypotheses `_beam_hyps[i * num_beam_groups + j]`."""

    def __init__(
        self,
        batch_size: int,
        num_beams: int,
        device: torch.device | str,
        length_penalty: float | None = 1.0,
        do_early_stopping: bool | str | None = False,
        num_beam_hyps_to_keep: int | None = 1,
        num_beam_groups: int | None = 1,
        max_length: int | None = None,
    ) -> None:
        groups = 1 if num_beam_groups is None else num_beam_groups
        _check_sizes(num_beams, groups)
        self.num_beams, self.num_beam_groups, self.group_size = num_beams, groups, num_beams // groups
        self.device = device
        self.length_penalty = 1.0 if length_penalty is None else length_penalty
        self.do_early_stopping = False if do_early_stopping is None else do_early_stopping
        self.num_beam_hyps_to_keep = 1 if num_beam_hyps_to_keep is None else num_beam_hyps_to_keep
        self.max_length = max_length
        self._beam_hyps = [
            BeamHypotheses(self.group_size, self.length_penalty, self.do_early_stopping, max_length)
            for _ in range(batch_size * groups)
        ]
        self._done = torch.zeros(len(self._beam_hyps), dtype=torch.bool, device=device)

    @property
    def is_done(self) -> bool:
        """Whether every source is settled."""
        return bool(self._done.all())

    def process(  # type: ignore[override]  # published: these are its keywords
        self,
        input_ids: Tensor,
        next_scores: Tensor,
        next_tokens: Tensor,
        next_indices: Tensor,
        pad_token_id: int | None = None,
        eos_token_id: int | list[int] | None = None,
        beam_indices: Sequence[tuple[Tensor, ...]] | None = None,
        group_index: int | None = 0,
        decoder_prompt_len: int | None = 0,
    ) -> dict[str, Tensor]:
        step = Step(input_ids, listed(eos_token_id), beam_indices, decoder_prompt_len or 0)
        return self._processed(step, (next_scores, next_tokens, next_indices), pad_token_id, group_index or 0)

    def _processed(
        self, step: Step, columns: tuple[Tensor, Tensor, Tensor], pad: int | None, group: int, vocabulary: Any = None
    ) -> dict[str, Tensor]:
        sources = len(self._beam_hyps) // self.num_beam_groups
        if len(step.input_ids) != sources * self.group_size:
            raise ShapeError(
                f"`input_ids` must have {sources * self.group_size} rows, but has {len(step.input_ids)}: "
                f"{self.group_size} for each of {sources} sources."
            )
        rows: list[Candidate] = []
        for source, own in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
            place = source * self.num_beam_groups + group
            first = source * self.group_size
            if self._done[place]:
                if pad is None or not step.eos:
                    raise OptionError("`pad_token_id` and `eos_token_id` must be set, for a source has ended.")
                rows += [Candidate(0.0, 0, pad)] * self.group_size  # type: ignore[arg-type]
                continue
            found = [Candidate(score, first + beam, token) for score, token, beam in zip(*own, strict=True)]
            rows += self._sorted(place, found, step, vocabulary)
        scores, beams, tokens = zip(*rows, strict=True)
        return {
            "next_beam_scores": torch.tensor(scores, dtype=columns[0].dtype, device=columns[0].device),
            "next_beam_tokens": torch.tensor(tokens, device=columns[0].device),
            "next_beam_indices": torch.tensor(beams, device=columns[0].device),
        }

    def _sorted(self, place: int, found: Sequence[Candidate], step: Step, vocabulary: Any) -> list[Candidate]:
        """Finish what ends; what goes on. `beam` is a row of the batch here."""
        length, hypotheses = step.input_ids.shape[1] + 1, self._beam_hyps[place]
        for one in found[: self.group_size]:
            if one.token in step.eos and self.may_end(step.input_ids[one.beam]):
                ids, new = step.input_ids[one.beam].clone(), length - step.prompt_length
                hypotheses.add(ids, float(one.score), step.trail(one.beam), new)
        going_on = [one for one in found if one.token not in step.eos][: self.group_size]
        if len(going_on) < self.group_size:
            raise OptionError(f"At least {self.group_size} candidates of a source must not end it: give more of them.")
        best = max(float(one.score) for one in found)
        self._done[place] |= hypotheses.is_done(best, length, step.prompt_length)
        return self.chosen(going_on, step, vocabulary)

    def may_end(self, ids: Tensor) -> bool:
        """Whether an end token finishes these ids."""
        return True

    def chosen(self, likely: list[Candidate], step: Step, vocabulary: Any) -> list[Candidate]:
        """What goes on, of one source."""
        return likely

    def finalize(  # type: ignore[override]  # published: these are its names
        self,
        input_ids: Tensor,
        final_beam_scores: Tensor,
        final_beam_tokens: Tensor,
        final_beam_indices: Tensor,
        max_length: int | None,
        pad_token_id: int | None = None,
        eos_token_id: int | list[int] | None = None,
        beam_indices: Sequence[tuple[Tensor, ...]] | None = None,
        decoder_prompt_len: int | None = 0,
    ) -> dict[str, Any]:
        for place, hypotheses in enumerate(self._beam_hyps):
            if not self._done[place]:
                first = place * self.group_size
                open_rows = range(first, first + self.group_size)
                for row in self.worth_keeping(open_rows, input_ids):
                    trail = None if beam_indices is None else beam_indices[row]
                    new = input_ids.shape[1] - (decoder_prompt_len or 0)
                    hypotheses.add(input_ids[row], final_beam_scores[row].item(), trail, new)
        best = self._best()
        most = max(len(ids) for _, ids, _ in best) + 1
        width = most if max_length is None else min(most, max_length)
        if pad_token_id is None and len({len(ids) for _, ids, _ in best}) > 1:
            raise OptionError("`pad_token_id` must be set to return outputs of unequal lengths, but is None.")
        sequences = input_ids.new_full((len(best), width), pad_token_id or 0)
        for row, (_, ids, _) in zip(sequences, best, strict=True):
            row[: len(ids)] = ids
            if len(ids) < width:
                row[len(ids)] = listed(eos_token_id)[0]
        return {
            "sequences": sequences,
            "sequence_scores": torch.tensor([score for score, _, _ in best], device=self.device),
            "beam_indices": _trails([trail for _, _, trail in best], width, input_ids),
        }

    def worth_keeping(self, rows: Sequence[int], input_ids: Tensor) -> Sequence[int]:
        """Which open beams of a source become hypotheses at the end."""
        return rows

    def _best(self) -> list[Hypothesis]:
        """Of each source the best hypotheses of all its groups, of equals the later."""
        found: list[Hypothesis] = []
        for first in range(0, len(self._beam_hyps), self.num_beam_groups):
            own = [one for each in self._beam_hyps[first : first + self.num_beam_groups] for one in each.beams]
            found += sorted(own, key=lambda one: one[0])[::-1][: self.num_beam_hyps_to_keep]
        return found


class ConstrainedBeamSearchScorer(BeamSearchScorer):
    """Beam search in which outputs end only when they contain what `constraints` ask for."""

    def __init__(
        self,
        batch_size: int,
        num_beams: int,
        constraints: list[Constraint],
        device: torch.device | str,
        length_penalty: float | None = 1.0,
        do_early_stopping: bool | str | None = False,
        num_beam_hyps_to_keep: int | None = 1,
        num_beam_groups: int | None = 1,
        max_length: int | None = None,
    ) -> None:
        if num_beam_groups not in (1, None):
            raise OptionError(f"`num_beam_groups` must be 1 with constraints, but is {num_beam_groups}.")
        super().__init__(
            batch_size, num_beams, device, length_penalty, do_early_stopping, num_beam_hyps_to_keep, 1, max_length
        )
        self.constraints = constraints
        self._follower = Follower(constraints)

    def make_constraint_states(self, n: int) -> list[ConstraintListState]:
        """`n` fresh states of all constraints."""
        return [ConstraintListState([one.copy() for one in self.constraints]) for _ in range(n)]

    def check_completes_constraints(self, sequence: Sequence[int]) -> bool:
        """Whether a sequence contains everything."""
        return self._follower.is_fulfilled(sequence)

    def process(  # type: ignore[override]  # published: scores_for_all_vocab comes before the keywords
        self,
        input_ids: Tensor,
        next_scores: Tensor,
        next_tokens: Tensor,
        next_indices: Tensor,
        scores_for_all_vocab: Tensor,
        pad_token_id: int | None = None,
        eos_token_id: int | list[int] | None = None,
        beam_indices: Sequence[tuple[Tensor, ...]] | None = None,
        decoder_prompt_len: int | None = 0,
    ) -> dict[str, Tensor]:
        step = Step(input_ids, listed(eos_token_id), beam_indices, decoder_prompt_len or 0)
        return self._processed(step, (next_scores, next_tokens, next_indices), pad_token_id, 0, scores_for_all_vocab)

    def may_end(self, ids: Tensor) -> bool:
        return self.check_completes_constraints(ids.tolist())

    def chosen(self, likely: list[Candidate], step: Step, vocabulary: Any) -> list[Candidate]:
        first = likely[0].beam // self.group_size * self.group_size
        beams = step.input_ids[first : first + self.group_size].tolist()
        own = [one._replace(beam=one.beam - first) for one in likely]
        states = [self._follower.state(ids) for ids in beams]
        steps = [Candidate(vocabulary[first + beam, token].item(), beam, token) for beam, token in steps_of(states)]
        return [one._replace(beam=one.beam + first) for one in self._follower.chosen(beams, states, own, steps)]

    def worth_keeping(self, rows: Sequence[int], input_ids: Tensor) -> Sequence[int]:
        whole = [row for row in rows if self.may_end(input_ids[row])]
        if len(whole) >= self.num_beam_hyps_to_keep:
            return whole
        return [*whole, *(row for row in rows if row not in whole)]


def _check_sizes(num_beams: int, groups: int) -> None:
    faults = []
    if not isinstance(num_beams, int) or num_beams <= 1:
        faults.append(f"`num_beams` must be at least 2, but is {num_beams!r}. Use `greedy_search` for one.")
    elif not isinstance(groups, int) or groups < 1 or num_beams % groups:
        faults.append(f"`num_beam_groups` must divide `num_beams` ({num_beams}), but is {groups!r}.")
    raise_all(OptionError, faults, "BeamSearchScorer")


def _trails(trails: Sequence[Trail], width: int, like: Tensor) -> Tensor | None:
    """The rows of each output's tokens, -1 behind the end; (outputs, width)."""
    if any(trail is None for trail in trails):
        return None
    found = like.new_full((len(trails), width), -1)
    for row, trail in zip(found, trails, strict=True):
        row[: len(trail or ())] = torch.tensor([int(place) for place in trail or ()])
    return found
