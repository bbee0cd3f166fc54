"""Checks beside transformers: its tokenizer, its model and its answers; where it is wrong, the defect that explains it.

A defect counts as the explanation only if undoing it, or having it too, makes the difference go away.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from bartleby.generation.config import GenerationConfig
from bartleby.lab.checks import BOUNDS, Check, Verdict
from bartleby.lab.decodings import PLAIN_TOKENS, compared, modes_of, remembered
from bartleby.lab.outputs import Table, beside
from bartleby.lab.sides import MODEL_CLASSES, PlainSide, Side, Texts, TorchSide, quiet
from bartleby.lab.subject import WRITERS, Subject
from bartleby.lab.texts import TRIED
from bartleby.tokenization.base import PreTrainedTokenizer

AREA = "transformers"
MASKED = "A, <mask> AllenNLP sentence."
NO_END = "it appends no end token when it is built from vocab.json and merges.txt"
SPACE_BEFORE_MASK = "it keeps the space before <mask>"
SPACES_BEFORE_MARKS = "it leaves spaces before full stops and apostrophes"
UNSCALED = "its BlenderbotSmallDecoder never multiplies by the scale of the embedding"
UNSUPPORTED = ("num_beam_groups", "penalty_alpha", "constraints", "force_words_ids")
"""Options that release 5 has no search for."""

MARKS = re.compile(r" (?=[.,!?'])|(?<=') ")


def reference_checks(table: Table, single: Side | None, new_tokens: int) -> Iterator[Check]:
    """The tokenizer, then the model of the same class, then its answers to the same texts."""
    import transformers

    library: Any = transformers  # untyped in part
    library.logging.disable_progress_bar()
    subject = table.subject
    yield Check(AREA, "release", "noted", remark=library.__version__)
    if subject.tokenizer is not None:
        yield from tokenizer_checks(subject, subject.tokenizer)
    if single is None:
        yield Check(AREA, "its model", "skipped", remark='needs PyTorch: pip install "bartleby[torch]"')
        return
    yield from model_checks(table, single, new_tokens)


def tokenizer_checks(subject: Subject, ours: PreTrainedTokenizer) -> Iterator[Check]:
    """The ids of texts, and the texts of ids."""
    import transformers

    spaced = {} if not hasattr(ours, "add_prefix_space") else {"add_prefix_space": ours.add_prefix_space}
    try:
        with quiet():
            theirs = transformers.AutoTokenizer.from_pretrained(subject.path, **spaced)
    except Exception as error:  # whatever that library does with a folder it cannot read
        yield Check(AREA, "its tokenizer", "skipped", remark=f"{type(error).__name__}: {first_line(error)}")
        return
    name = f"{type(theirs).__name__}, "
    texts = (*TRIED, MASKED)
    with quiet():
        pairs = [(list(ours(text)["input_ids"]), list(theirs(text)["input_ids"])) for text in texts]
        decoded = [tuple(each.decode(row, skip_special_tokens=True) for each in (ours, theirs)) for row, _ in pairs]
    yield explained(f"{name}ids of texts", texts, pairs, partial(why_ids_differ, ours))
    yield explained(f"{name}texts of ids", [ids for ids, _ in pairs], decoded, why_texts_differ)


def explained(
    subject: str, inputs: Sequence[Any], pairs: Sequence[tuple[Any, ...]], why: Callable[[Any, Any], str | None]
) -> Check:
    """One verdict over many pairs: known if every difference has its explanation."""
    differing = [(given, one, other) for given, (one, other) in zip(inputs, pairs, strict=True) if one != other]
    if not differing:
        return Check(AREA, subject, "agrees", "ours", remark=f"all {len(pairs)} alike")
    for given, one, other in differing:
        if why(one, other) is None:
            return Check(AREA, subject, "differs", "ours", remark=f"{given!r}: ours {one!r}, its {other!r}")
    reasons = sorted({str(why(one, other)) for _, one, other in differing})
    return Check(AREA, subject, "known", "ours", remark=f"{len(differing)} of {len(pairs)}: {'; '.join(reasons)}")


def why_ids_differ(tokenizer: PreTrainedTokenizer, ours: list[int], theirs: list[int]) -> str | None:
    """The known defects that make theirs of ours."""
    if [*theirs, tokenizer.eos_token_id] == ours:
        return NO_END
    mask, space = tokenizer.mask_token_id, tokenizer.convert_tokens_to_ids("Ġ")
    following = [*theirs[1:], None]
    spared = [token for token, after in zip(theirs, following, strict=True) if (token, after) != (space, mask)]
    if spared == ours:
        return SPACE_BEFORE_MASK
    return f"{NO_END}, and {SPACE_BEFORE_MASK}" if [*spared, tokenizer.eos_token_id] == ours else None


def why_texts_differ(ours: str, theirs: str) -> str | None:
    return SPACES_BEFORE_MARKS if MARKS.sub("", theirs) == MARKS.sub("", ours) else None


def model_checks(table: Table, single: Side, new_tokens: int) -> Iterator[Check]:
    """Outputs beside the definition, and answers beside ours."""
    subject = table.subject
    try:
        theirs = open_theirs(subject, "float32")
    except Exception as error:  # as above
        yield Check(AREA, "its model", "skipped", remark=f"{type(error).__name__}: {first_line(error)}")
        return
    found = beside(theirs.forward(subject.sources, subject.targets), table.outputs, theirs, table.definition.name)
    if found.verdict == "differs" and (flawed := unscaled(subject)) is not None:
        yield from unscaled_checks(Table(subject, flawed, None), theirs, found, new_tokens)
        return
    yield placed(found)
    if subject.head in WRITERS:
        yield from answer_checks(table, single, theirs, new_tokens)


def open_theirs(subject: Subject, dtype: str) -> TorchSide:
    """The reference library's model of the same head, in this precision, where ours is."""
    import transformers

    with quiet():
        model = getattr(transformers, MODEL_CLASSES[subject.head]).from_pretrained(subject.path)
    model = model.double() if dtype == "float64" else model.float()
    return TorchSide(model.eval(), subject, "transformers", dtype)


def answer_checks(table: Table, single: Side, theirs: TorchSide, new_tokens: int) -> Iterator[Check]:
    """What both write, greedily and as the checkpoint says."""
    doubled = None if table.exact is None else open_theirs(table.subject, "float64")
    for mode in modes_of(table.subject, new_tokens):
        asked = [name for name in UNSUPPORTED if getattr(mode.options, name) not in (None, 1)]
        if asked:
            remark = f"release 5 has no search for {', '.join(asked)}"
            yield Check(AREA, f"{theirs.name}, {mode.name}", "skipped", remark=remark)
            continue
        write = remembered(partial(generated, table.subject.sources, mode.options))
        name = f"{theirs.name}, {mode.name}"
        again = None if table.exact is None or doubled is None else (table.exact, doubled)
        try:
            yield placed(compared(table, mode, (single, write), (theirs, write), name, again))
        except Exception as error:  # such as caches for as many layers as another stack has
            yield Check(AREA, name, "skipped", remark=f"it fails with {type(error).__name__}: {first_line(error)}")


def generated(sources: Texts, options: GenerationConfig, side: Side) -> list[list[int]]:
    return side.generate(sources, options)


def unscaled(subject: Subject) -> PlainSide | None:
    """The definition with the known defect of Blenderbot-Small, where the checkpoint would show it."""
    config = subject.config
    if (
        config.model_type != "blenderbot-small"
        or not config.scale_embedding
        or subject.head != "conditional_generation"
    ):
        return None
    flawed = PlainSide(subject, "float32")
    name = "model.decoder.embed_tokens.weight"
    flawed.weights = {**flawed.weights, name: flawed.weights[name] / math.sqrt(config.d_model)}
    return flawed


def unscaled_checks(table: Table, theirs: TorchSide, found: Check, new_tokens: int) -> Iterator[Check]:
    """Its outputs beside those of the definition with its defect: if they agree, that is the explanation."""
    sources, targets = table.subject.sources, table.subject.targets
    again = beside(theirs.forward(sources, targets), table.outputs, theirs, "")
    if again.verdict == "differs":
        yield placed(found)
        return
    remark = f"{UNSCALED}: with that, the definition agrees within {again.worst:.1e}"
    yield Check(AREA, theirs.name, "known", found.other, found.worst, BOUNDS[theirs.dtype], remark)
    for mode in modes_of(table.subject, min(new_tokens, PLAIN_TOKENS)):
        write = remembered(partial(generated, sources, mode.options))
        answers = compared(table, mode, (table.definition, write), (theirs, write), f"{theirs.name}, {mode.name}")
        verdict: Verdict = "known" if answers.verdict == "agrees" else "differs"
        remark = f"the same as the definition with that defect, {mode.options.max_new_tokens} tokens"
        beside_it = Check(AREA, answers.subject, verdict, "plain with the defect", answers.worst, answers.bound)
        yield replace(beside_it, remark=remark if verdict == "known" else answers.remark)


def placed(check: Check) -> Check:
    """A check of another area, shown among these."""
    return replace(check, area=AREA)


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
