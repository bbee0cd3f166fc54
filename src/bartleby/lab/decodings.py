"""Checks of what a model writes: every way to compute an answer must come to the same ids.

Answers may part where two choices are equally good up to rounding. That is told from an error by what the definition
thinks of both, and, of beams, whose ties may lie far back, by writing both again in float64, where ties do not happen.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from bartleby.errors import BartlebyError
from bartleby.generation.config import GenerationConfig
from bartleby.generation.resolution import length_bounds
from bartleby.lab.checks import BOUNDS, Check, Verdict
from bartleby.lab.outputs import Table, beside, room_for
from bartleby.lab.parting import Parting, partings
from bartleby.lab.sides import Side, TorchSide
from bartleby.lab.subject import Subject

AREA = "decoding"
PLAIN_TOKENS = 12
"""How many the readable search writes of each answer, unless it is told: it computes everything anew for each."""
Write = Callable[[Side], list[list[int]]]
"""One way to get the answers out of a side."""


@dataclass(frozen=True)
class Mode:
    """A set of decoding options under the name it is reported by."""

    name: str
    options: GenerationConfig

    def changed(self, **changes: object) -> GenerationConfig:
        options = copy.deepcopy(self.options)
        for name, value in changes.items():
            setattr(options, name, value)
        return options


def remembered(write: Write) -> Write:
    """The same, with every side's answers kept."""
    kept: dict[str, list[list[int]]] = {}

    def answers(side: Side) -> list[list[int]]:
        if side.name not in kept:
            kept[side.name] = write(side)
        return kept[side.name]

    return answers


def modes_of(subject: Subject, new_tokens: int) -> list[Mode]:
    """The checkpoint's own way to decode, without chance, and greedy search with the same rules."""
    own = copy.deepcopy(subject.generation_config)
    own.do_sample = False
    own.num_return_sequences = 1
    prompt = 1 if subject.head != "causal_lm" else max(map(len, subject.sources))
    _, longest = length_bounds(own, prompt) if own.max_new_tokens is not None or own.max_length > prompt else (0, 10**9)
    room = subject.config.max_position_embeddings + 1 - prompt
    own.max_new_tokens = max(1, min(new_tokens, longest - prompt, room))
    if own.min_new_tokens is not None:
        own.min_new_tokens = min(own.min_new_tokens, own.max_new_tokens)
    greedy = copy.deepcopy(own)
    for name, value in SINGLE_ROW.items():
        setattr(greedy, name, value)
    modes = [Mode("greedy", greedy)]
    if own != greedy:
        modes.append(Mode(f"{own.num_beams} beams" if own.num_beams > 1 else "its own options", own))
    return modes


CACHES: dict[str, dict[str, object]] = {
    "growing cache": {},
    "without cache": {"use_cache": False},
    "static cache": {"cache_implementation": "static"},
}
"""How keys and values are kept, by the options that ask for it."""

SINGLE_ROW = {
    "num_beams": 1,
    "num_beam_groups": 1,
    "diversity_penalty": 0.0,
    "early_stopping": False,
    "length_penalty": 1.0,
    "penalty_alpha": None,
    "constraints": None,
    "force_words_ids": None,
}
"""What makes any options greedy."""


def decoding_checks(table: Table, side: TorchSide, mode: Mode) -> Iterator[Check]:
    """One side in one mode: with other caches, and with other shapes of batch."""
    sources = table.subject.sources

    def written(options: GenerationConfig, room: int = 0) -> Write:
        return lambda each: each.generate(sources, options, room)

    base = remembered(written(mode.options))
    if mode.options.num_beams == 1:
        yield judged(table, side, mode, base(side))
        for cache, changes in CACHES.items():
            yield stepwise(table, side, mode.changed(**changes), f"{side.name}, {mode.name}, {cache}, steps")
    variants: dict[str, Write] = {
        **{cache: written(mode.changed(**changes)) for cache, changes in CACHES.items() if changes},
        "alone": lambda each: [each.generate([source], mode.options)[0] for source in sources],
    }
    if room_for(table.subject):
        variants["over-padded"] = written(mode.options, room_for(table.subject))
    if table.subject.head == "causal_lm":  # its prompts are never padded
        del variants["alone"], variants["over-padded"]
    for name, variant in variants.items():
        yield compared(table, mode, (side, base), (side, variant), f"{side.name}, {mode.name}, {name}")
    if table.exact is not None and table.exact is not side:
        yield compared(table, mode, (side, base), (table.exact, base), f"{table.exact.name}, {mode.name}")


def stepwise(table: Table, side: TorchSide, options: GenerationConfig, name: str) -> Check:
    """The logits that greedy search saw in every step, beside those the definition has of the whole answer."""
    judge = table.judge(options)
    found = side.steps(table.subject.sources, options)
    exact = [judge.logits(source, answer) for source, (answer, _) in zip(table.subject.sources, found, strict=True)]
    return replace(beside([logits for _, logits in found], exact, side, table.definition.name), area=AREA, subject=name)


def judged(table: Table, side: Side, mode: Mode, answers: Sequence[Sequence[int]]) -> Check:
    """Greedy answers, every token of which must be the definition's own choice."""
    judge = table.judge(mode.options)
    pairs = list(zip(table.subject.sources, answers, strict=True))
    worst = max(judge.shortfall(source, answer) for source, answer in pairs)
    bound = 2 * BOUNDS[side.dtype]  # two scores, each off by as much
    remark = f"{sum(map(len, answers))} tokens, each the definition's choice"
    if worst / table.scale > bound:
        remark = f"a token lies {worst:.1e} below the definition's choice"
    verdict: Verdict = "agrees" if worst / table.scale <= bound else "differs"
    return Check(AREA, f"{side.name}, {mode.name}", verdict, table.definition.name, worst / table.scale, bound, remark)


def compared(
    table: Table,
    mode: Mode,
    base: tuple[Side, Write],
    other: tuple[Side, Write],
    name: str,
    doubles: tuple[Side, Side] | None = None,
) -> Check:
    """Two ways to write; where they part, whether rounding explains it. `doubles` are both sides in float64."""
    ours, theirs = base[1](base[0]), other[1](other[0])
    judge = table.judge(mode.options)
    parted = partings(ours, theirs, table.subject.sources, judge)
    with_what = f"{base[0].name}, {mode.name}"
    if not parted:
        return Check(AREA, name, "agrees", with_what, remark=f"{len(ours)} answers, same ids")
    worst = max(parting.margin for parting in parted)
    margin, bound = worst / table.scale, 2 * max(BOUNDS[base[0].dtype], BOUNDS[other[0].dtype])
    if margin <= bound:
        return Check(AREA, name, "agrees", with_what, margin, bound, f"a tie: {told(parted)}")
    if doubles is None and table.exact is not None and base[0] is other[0] is not table.exact:
        doubles = table.exact, table.exact
    if doubles is not None and base[1](doubles[0]) == other[1](doubles[1]):
        return Check(
            AREA, name, "agrees", with_what, margin, None, f"rounding, for in float64 they agree: {told(parted)}"
        )
    return Check(AREA, name, "differs", with_what, margin, bound, told(parted))


def plain_check(table: Table, plain: Side, side: Side, mode: Mode, tokens: int) -> Check:
    """The readable search over the definition beside a side, for as many tokens as the definition has time for."""
    name = f"{plain.name}, {mode.name}"
    if tokens < 1:
        return Check(
            AREA, name, "skipped", remark="the definition is slow at this size: --plain-tokens N has it write N"
        )
    if table.subject.head == "causal_lm":
        return Check(AREA, name, "skipped", remark="the readable search writes for encoder-decoders only")
    new = min(tokens, mode.options.max_new_tokens or tokens)
    shortened = Mode(mode.name, mode.changed(max_new_tokens=new, min_new_tokens=_least(mode.options, new)))

    def write(each: Side) -> list[list[int]]:
        return each.generate(table.subject.sources, shortened.options)

    try:
        return compared(table, shortened, (side, write), (plain, write), f"{name}, {new} tokens")
    except BartlebyError as error:
        return Check(AREA, name, "skipped", remark=str(error))


def _least(options: GenerationConfig, most: int) -> int | None:
    return None if options.min_new_tokens is None else min(options.min_new_tokens, most)


def half_check(table: Table, half: Side, side: Side, mode: Mode) -> Check:
    """Greedy answers in half precision beside those of float32: they may part, but only where choices are close."""

    def write(each: Side) -> list[list[int]]:
        return each.generate(table.subject.sources, mode.options)

    return compared(table, mode, (side, write), (half, write), f"{half.name}, {mode.name}")


def told(parted: Sequence[Parting]) -> str:
    """The first of them, and how many there are."""
    more = f", and {len(parted) - 1} more" if len(parted) > 1 else ""
    return f"{parted[0]}{more}"
