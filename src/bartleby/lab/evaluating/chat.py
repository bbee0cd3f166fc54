"""How good replies are: what the model thinks of the true one, whether it prefers it to others, and what it says.

Each reply is answered as in a chat: its source is the dialogue before it, laid out as the checkpoint wants, with the
persona of whoever replies where the dialogue has one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bartleby.backends.protocol import check_head
from bartleby.errors import LengthError
from bartleby.family.presets import layout_of
from bartleby.family.turns import TurnLayout, source_text
from bartleby.lab.evaluating.baselines import TfIdf, most_frequent
from bartleby.lab.evaluating.model import Measured, Model, Request, refuse_nothing
from bartleby.measure.overlap import answers
from bartleby.measure.perplexity import perplexity
from bartleby.measure.ranking import CANDIDATES, CandidatePool, hits_at_1
from bartleby.measure.repetition import distinct, mean_length, repetition
from bartleby.tasks.batches import Writing, best_answers
from bartleby.training.records import Dialogue


@dataclass(frozen=True)
class Exchange:
    """One reply and what it answers, as the model sees it."""

    dialogue: int
    turn: int
    number: int
    """Its place among all replies of the file."""
    text: str
    """The source."""
    source: list[int]
    reply: str
    target: list[int]
    dropped_turns: int
    has_persona: bool


@dataclass
class Sample:
    """The exchanges that are measured on, and how many replies were left out on the way to them."""

    exchanges: list[Exchange]
    available: int
    too_long: int = 0
    """Replies to a turn that, alone with the persona, does not fit the positions, or that do not fit themselves."""


def measure_chat(model: Model, dialogues: Sequence[Dialogue], request: Request) -> Measured:
    """Answer a sample of replies, and measure what comes of it.

    Where the file has too few different replies to rank among, all but `hits_at_1` is measured.
    Raises: DataError if there is no reply.
    """
    check_head(model.backend.head, "conditional_generation")
    sample = sample_of(model, dialogues, request)
    exchanges, writing = sample.exchanges, request.writing or Writing(model.backend.generation_config)
    candidates = candidates_of(model, dialogues, exchanges, request)
    targets = [[model.target(text) for text in texts] for texts in candidates]
    scores = model.likelihoods([each.source for each in exchanges], targets, request.watch)
    means = np.array([[np.mean(tokens) for tokens in row] for row in scores])
    written = best_answers(
        model.backend,
        [each.source for each in exchanges],
        writing,
        lambda done: request.watch("replying", done, len(exchanges)),
    )
    replies, wanted = [model.text(answer.ids) for answer in written], [each.reply for each in exchanges]
    likelihood = perplexity(row[0] for row in scores)
    return Measured(
        figures={"perplexity": likelihood.value, **_ranked(means), **_figures(replies, wanted)},
        facts={
            "available": sample.available,
            "too_long": sample.too_long,
            **_ranking_told(means),
            "reply_tokens": likelihood.tokens,
            "with_persona": sum(each.has_persona for each in exchanges),
            "shortened": sum(each.dropped_turns > 0 for each in exchanges),
            "unfinished": sum(answer.finish_reason != "eos" for answer in written),
        },
        outputs=[
            {
                "dialogue": each.dialogue,
                "turn": each.turn,
                "source": each.text,
                "output": reply,
                "reference": each.reply,
                "log_likelihood": float(row[0]),
                **({"rank": int((row[1:] >= row[0]).sum()) + 1} if len(row) > 1 else {}),
            }
            for each, reply, row in zip(exchanges, replies, means, strict=True)
        ],
        baselines=_baselines(dialogues, exchanges, candidates, request, layout_of(model.backend.config))
        if request.baselines
        else {},
    )


def sample_of(model: Model, dialogues: Sequence[Dialogue], request: Request) -> Sample:
    """Replies in an order drawn once, as many as wanted that the model can read and write, back in the file's order."""
    places = [(number, turn) for number, dialogue in enumerate(dialogues) for turn in range(1, len(dialogue.turns))]
    layout, sample = layout_of(model.backend.config), Sample([], len(places))
    for number in request.sampling.order(len(places)):
        if request.sampling.is_full(len(sample.exchanges)):
            break
        dialogue, turn = places[number]
        exchange = _exchange(model, dialogues[dialogue], layout, (dialogue, turn, number))
        if exchange is None:
            sample.too_long += 1
        else:
            sample.exchanges.append(exchange)
    refuse_nothing(len(sample.exchanges), "reply", f"{sample.too_long} do not fit the model's positions")
    sample.exchanges.sort(key=lambda exchange: exchange.number)
    return sample


def _exchange(model: Model, dialogue: Dialogue, layout: TurnLayout, place: tuple[int, int, int]) -> Exchange | None:
    """None if the model cannot read or write it."""
    turns, personas = [turn.strip() for turn in dialogue.turns], dialogue.persona_of(place[1])
    reply, target = turns[place[1]], model.target(turns[place[1]])
    try:
        source = source_text(turns[: place[1]], personas, layout, lambda text: len(model.ids(text)), model.positions)
    except LengthError:
        return None
    if len(target) > model.positions:
        return None
    ids, has_persona = model.ids(source.text), bool(personas)
    return Exchange(*place, source.text, ids, reply, target, source.dropped_turns, has_persona)


def candidates_of(
    model: Model, dialogues: Sequence[Dialogue], exchanges: Sequence[Exchange], request: Request
) -> list[list[str]]:
    """The true reply of each exchange and 19 others of the file that the model could write, or none if it has fewer."""
    replies = sorted({turn.strip() for dialogue in dialogues for turn in dialogue.turns[1:]})
    encoded = model.tokenizer(replies, verbose=False)["input_ids"]
    written = [text for text, ids in zip(replies, encoded, strict=True) if len(ids) < model.positions]
    if len(written) < CANDIDATES:
        return [[each.reply] for each in exchanges]
    pool = CandidatePool(written)
    return [pool.draw(each.reply, request.sampling.seed, each.number) for each in exchanges]


def _ranked(scores: Sequence[Sequence[float]] | npt.NDArray[np.floating]) -> dict[str, float]:
    """Nothing where there was no other candidate than the true reply."""
    return {"hits_at_1": hits_at_1(scores)} if len(scores[0]) > 1 else {}


def _ranking_told(scores: npt.NDArray[np.floating]) -> dict[str, int | str]:
    if scores.shape[1] > 1:
        return {"candidates": CANDIDATES}
    return {"hits_at_1": f"is not measured: it needs {CANDIDATES} different replies in the file"}


def _figures(replies: Sequence[str], wanted: Sequence[str]) -> dict[str, float]:
    return {
        "f1": answers(replies, [[text] for text in wanted]).f1,
        "distinct_1": distinct(replies, 1),
        "distinct_2": distinct(replies, 2),
        "repetition": repetition(replies),
        "mean_length": mean_length(replies),
    }


def _baselines(
    dialogues: Sequence[Dialogue],
    exchanges: Sequence[Exchange],
    candidates: Sequence[Sequence[str]],
    request: Request,
    layout: TurnLayout,
) -> dict[str, dict[str, float]]:
    """The reply given most often, the reply to the nearest source of another dialogue, and the people themselves."""
    request.watch("baselines", 0, len(exchanges))
    known: Sequence[Dialogue] = dialogues if request.known is None else request.known
    places = [(number, turn) for number, dialogue in enumerate(known) for turn in range(1, len(dialogue.turns))]
    sources = [_rendered(known[number], turn, layout) for number, turn in places]
    replies = [known[number].turns[turn].strip() for number, turn in places]
    of_dialogue: dict[int, list[int]] = {}
    for place, (number, _) in enumerate(places):
        of_dialogue.setdefault(number, []).append(place)
    index, counts = TfIdf(sources), Counter(replies)
    nearest = [
        index.nearest(each.text, of_dialogue[each.dialogue] if request.known is None else ()) for each in exchanges
    ]
    wanted = [each.reply for each in exchanges]
    by_words = [
        [index.similarity(each.text, text) for text in texts] for each, texts in zip(exchanges, candidates, strict=True)
    ]
    own = int(request.known is None)  # the true reply itself is no reason to expect it
    by_count = [[float(counts[text] - own * (text == texts[0])) for text in texts] for texts in candidates]
    return {
        "most_frequent": {**_ranked(by_count), **_figures([most_frequent(replies)] * len(wanted), wanted)},
        "retrieval": {
            **_ranked(by_words),
            **_figures(["" if place is None else replies[place] for place in nearest], wanted),
        },
        "people": {name: figure for name, figure in _figures(wanted, wanted).items() if name != "f1"},
    }


def _rendered(dialogue: Dialogue, turn: int, layout: TurnLayout) -> str:
    kept = dialogue.turns[max(0, turn - layout.turns_kept) if layout.turns_kept else 0 : turn]
    return layout.render(kept)
