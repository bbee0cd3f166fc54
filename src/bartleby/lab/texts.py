"""Checks of a checkpoint's tokenizer: its ids have rows, its special tokens are the model's, and texts come back."""

from __future__ import annotations

from collections.abc import Iterator

from bartleby.generation.options import listed
from bartleby.lab.checks import Check
from bartleby.lab.subject import TEXTS, Subject
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer

AREA = "tokenizer"
TRIED = (
    *TEXTS,
    "Hello world",
    " Hello world!",
    "naïve café, 1,234.5 — “quoted” 日本語 🙂",
    "two\nlines\tand a tab",
)
SPECIAL = ("pad", "bos", "eos")


def text_checks(subject: Subject) -> Iterator[Check]:
    """All of them; skipped where a checkpoint has no tokenizer."""
    tokenizer = subject.tokenizer
    if tokenizer is None:
        yield Check(AREA, "tokenizer", "skipped", remark=f"random ids instead: {subject.refusals['tokenizer']}")
        return
    yield from vocabulary_checks(subject, tokenizer)
    yield special_check(subject, tokenizer)
    yield from round_trips(tokenizer)


def vocabulary_checks(subject: Subject, tokenizer: PreTrainedTokenizer) -> Iterator[Check]:
    """Every id that a text can get has a row in the embedding table."""
    rows, name = subject.config.vocab_size, type(tokenizer).__name__
    highest = max(max(tokenizer(text)["input_ids"], default=0) for text in TRIED)
    remark = f"highest id {highest}, {rows} rows"
    yield Check(AREA, f"{name}, ids of texts", "agrees" if highest < rows else "differs", "config.json", remark=remark)
    beyond = sorted(token for token, index in tokenizer.get_vocab().items() if index >= rows)
    if beyond:
        remark = f"no row for {', '.join(beyond[:3])}{' …' if len(beyond) > 3 else ''}: texts with it are refused"
        yield Check(AREA, f"{name}, vocabulary", "noted", "config.json", remark=remark)


def special_check(subject: Subject, tokenizer: PreTrainedTokenizer) -> Check:
    """Pad, bos and eos are the ids that the model was trained with."""
    wrong = []
    for kind in SPECIAL:
        ours, said = getattr(tokenizer, f"{kind}_token_id"), getattr(subject.config, f"{kind}_token_id")
        if ours is not None and said is not None and ours not in listed(said):
            wrong.append(f"{kind} is {ours}, in config.json {said}")
    return Check(AREA, "special tokens", "differs" if wrong else "agrees", "config.json", remark="; ".join(wrong))


def round_trips(tokenizer: PreTrainedTokenizer) -> Iterator[Check]:
    """Ids become a text that becomes the same ids; byte-level vocabularies give the very text back."""
    encoded = {text: list(tokenizer(text)["input_ids"]) for text in TRIED}
    known = {text: ids for text, ids in encoded.items() if tokenizer.unk_token_id not in ids}
    back = {text: decoded(tokenizer, ids) for text, ids in known.items()}
    left_out = len(encoded) - len(known)
    beside = f", {left_out} left out for characters it does not know" if left_out else ""
    unstable = [text for text, ids in known.items() if list(tokenizer(back[text])["input_ids"]) != ids]
    yield _told("ids, decoded and encoded again", unstable, f"{len(known)} texts{beside}")
    if isinstance(tokenizer, BlenderbotSmallTokenizer):
        yield Check(AREA, "texts, encoded and decoded", "skipped", remark="its vocabulary is lower-cased, by design")
        return
    changed = [text for text in known if back[text].strip() != text.strip()]
    yield _told("texts, encoded and decoded", changed, f"{len(known)} texts{beside}")


def decoded(tokenizer: PreTrainedTokenizer, ids: list[int]) -> str:
    """The text of ids with every space kept."""
    text = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return str(text)


def _told(subject: str, wrong: list[str], how_many: str) -> Check:
    remark = f"not {wrong[0]!r}" if wrong else how_many
    return Check(AREA, subject, "differs" if wrong else "agrees", "themselves", remark=remark)
