"""Constrained beam search: outputs that contain what `constraints` and `force_words_ids` ask for.

Beams and their scores stay on the device; which of them go on is decided by generation/banks.py, for which each step
fetches a few candidates. Constraints are Python, and may be the caller's own. Definition: generation/constrained.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bartleby.backends.pytorch.decoding.beams import Candidates
from bartleby.backends.pytorch.decoding.groups import BeamGroups, Group
from bartleby.backends.pytorch.decoding.rules import IMPOSSIBLE
from bartleby.backends.pytorch.decoding.task import Task, Written
from bartleby.generation import constrained as definition
from bartleby.generation.banks import Follower, Step, check_steps, steps_of
from bartleby.generation.beams import Candidate
from bartleby.generation.constraints import constraints_of

FORBIDDEN = float(definition.FORBIDDEN)


class ConstrainedGroup(Group):
    """The beams of every live source, and what each has written as lists: constraints read those."""

    def __init__(self, task: Task) -> None:
        super().__init__(task, first=0, size=task.options.num_beams)
        self.follower = Follower(constraints_of(task.options.constraints, task.options.force_words_ids))
        self.texts: list[list[list[int]]] = self.written().tolist()
        self._follow()

    def _follow(self) -> None:
        """See how far all beams have come."""
        self.states = [[self.follower.state(ids) for ids in beams] for beams in self.texts]
        found = [[state.completed for state in states] for states in self.states]
        self.fulfilled = torch.tensor(found, dtype=torch.bool, device=self.ids.device)

    def totals(self, scores: Tensor) -> Tensor:
        return super().totals(scores).clamp(min=FORBIDDEN)

    def may_end(self, beams: Tensor) -> Tensor:
        return self.fulfilled.gather(1, beams)

    def chosen(self, found: Candidates, totals: Tensor) -> Candidates:
        likely = super().chosen(found, totals)
        stepped = self._scored([steps_of(states) for states in self.states], totals)
        each = zip(self.texts, self.states, _candidates(likely), stepped, self.done.tolist(), strict=True)
        going_on = [
            own if is_done else self.follower.chosen(beams, states, own, further)
            for beams, states, own, further, is_done in each
        ]
        self.texts = [
            [[*beams[one.beam], one.token] for one in own] for beams, own in zip(self.texts, going_on, strict=True)
        ]
        self._follow()
        scores, beams, tokens = np.array(going_on, dtype=np.float64).transpose(2, 0, 1)  # exact: ids are small
        return Candidates(
            torch.from_numpy(scores).to(likely.scores),
            torch.from_numpy(beams).to(likely.beams),
            torch.from_numpy(tokens).to(likely.tokens),
        )

    def _scored(self, steps: Sequence[Sequence[Step]], totals: Tensor) -> list[list[Candidate]]:
        """The same with their scores; totals (b, n, v)."""
        check_steps(steps, vocabulary=totals.shape[2])
        places = np.zeros((len(steps), max(map(len, steps))), dtype=np.int64)  # those behind the last are not read
        for row, own in zip(places, steps, strict=True):
            row[: len(own)] = [beam * totals.shape[2] + token for beam, token in own]
        scores = totals.flatten(1).gather(1, torch.from_numpy(places).to(totals.device)).cpu().numpy()
        return [
            [Candidate(score, *step) for score, step in zip(row, own, strict=False)]
            for row, own in zip(scores, steps, strict=True)
        ]

    def _normalized(self, scores: Tensor, length: int) -> Tensor:
        return torch.where(scores == FORBIDDEN, FORBIDDEN, super()._normalized(scores, length))

    def finish_open(self, beams: Written) -> None:
        wanted = self.task.options.num_return_sequences
        too_few = self.fulfilled.sum(dim=1, keepdim=True) < wanted
        self._finish(_only(beams, self.fulfilled))
        self._finish(_only(beams, ~self.fulfilled & too_few))

    def keep(self, sources: Tensor) -> None:
        super().keep(sources)
        self.fulfilled = self.fulfilled[sources]
        self.texts = [self.texts[place] for place in sources.tolist()]
        self.states = [self.states[place] for place in sources.tolist()]


class ConstrainedBeams(BeamGroups):
    """Constrained beam search, as a `State` of search.py: one group, whose beams follow constraints."""

    def __init__(self, task: Task) -> None:
        super().__init__(task, [ConstrainedGroup(task)])

    def result(self) -> Written:
        found = super().result()
        found.scores = found.scores.masked_fill(found.scores == FORBIDDEN, IMPOSSIBLE)
        return found


def _candidates(found: Candidates) -> list[list[Candidate]]:
    """On the host, source by source."""
    columns = (found.scores.cpu().numpy(), found.beams.tolist(), found.tokens.tolist())
    return [[Candidate(*one) for one in zip(*own, strict=True)] for own in zip(*columns, strict=True)]


def _only(outputs: Written, those: Tensor) -> Written:
    """Without the others."""
    return Written(
        outputs.ids,
        outputs.lengths,
        outputs.scores.masked_fill(~those, IMPOSSIBLE),
        outputs.reasons,
        outputs.trail,
    )
