"""The search on the device: all sources and beams of a step as tensors, without a loop over rows.

It must equal, token by token, the plain code in generation/search.py; benchmarks/decoding.py measures what it buys.
What a step does with the scores is the business of its state: rows.py, beams.py, groups.py, constrained.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bartleby.backends.pytorch.decoding.beams import Beams
from bartleby.backends.pytorch.decoding.constrained import ConstrainedBeams
from bartleby.backends.pytorch.decoding.groups import BeamGroups
from bartleby.backends.pytorch.decoding.rows import Rows
from bartleby.backends.pytorch.decoding.task import State, Task, Writer, Written


def search(task: Task, writer: Writer) -> Written:
    """Write every source's outputs, in the order of the prompts."""
    state = state_of(task)
    return search_whole(task, writer, state) if task.whole else search_shrinking(writer, state)


def state_of(task: Task) -> State:
    """The rows before the first step, of the kind that the options ask for."""
    options = task.options
    if options.constraints is not None or options.force_words_ids is not None:
        return ConstrainedBeams(task)
    if options.num_beam_groups > 1:
        return BeamGroups(task)
    return Beams(task) if options.num_beams > 1 else Rows(task)


def search_shrinking(writer: Writer, state: State) -> Written:
    """Finished sources leave the batch: least to compute, where asking which they are costs nothing."""
    places: list[Tensor] = []
    parts: list[Written] = []
    while True:
        logits = writer.step(state.written())
        rows = state.advance(logits)
        settled = state.settled()
        if bool(settled.any()):  # here a step waits for the device
            kept = (~settled).nonzero()[:, 0]
            places.append(state.sources[settled])
            parts.append(state.result().of(settled))
            if len(kept) == 0:
                return Written.joined(parts, dim=0).of(torch.cat(places).argsort())
            rows = torch.arange(len(logits), device=kept.device).view(len(settled), -1) if rows is None else rows
            rows = rows[kept]
            state.keep(kept)
            writer.keep(kept)
        if rows is not None:
            writer.reorder(rows.flatten())


def search_whole(task: Task, writer: Writer, state: State) -> Written:
    """All rows stay to the end: the same shapes in every step, and nothing that waits but the question at a pause."""
    most = task.max_length - task.prompts.shape[1]
    for step in range(1, most + 1):
        rows = state.advance(writer.step(state.written()))
        if task.listener is not None:
            task.listener.wrote(state.written()[:, -1])
        settled = state.settled()  # in every step: a settled source must stay as it is
        if step == most or (step % task.pause == 0 and bool(settled.all())):
            break
        if rows is not None:
            writer.reorder(rows.flatten())
    return state.result()
