"""What can be learnt from: the shapes of records, and how a plain value (of JSON, CSV, Parquet) becomes one.

Fields that no shape names are ignored. A fault is told by the name of its field; file and line are added by whoever
read them. Cells of CSV hold text only, so a list may also be written as JSON in one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from bartleby.errors import DataError
from bartleby.family.fields import LabelKind

TEXT_FIELDS: tuple[tuple[str, str | None], ...] = (
    ("text", "text_pair"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("premise", "hypothesis"),
    ("#1 String", "#2 String"),
    ("sentence", None),
)
"""What the texts of a labelled record are called, ours first, then as in the files of GLUE (arXiv 1804.07461)."""
SHOWN_FIELDS = 20
"""A message names so many fields of a record at most."""
LABEL_FIELDS = ("label", "labels", "gold_label", "score", "is_duplicate", "Quality")


@dataclass(frozen=True)
class Dialogue:
    """A conversation of two; `personas` holds what is known of the first and of the second speaker."""

    turns: tuple[str, ...]
    personas: tuple[tuple[str, ...], ...] = ()
    rewards: tuple[float, ...] = ()
    """How right each turn is as a reply, below 0 for what shall not be said; none: all are right."""

    def persona_of(self, turn: int) -> tuple[str, ...]:
        """What is known of whoever speaks turn number `turn`."""
        return self.personas[turn % 2] if self.personas else ()


@dataclass(frozen=True)
class Pair:
    """A text and the text to write from it: its summary, its translation, its better wording."""

    source: str
    target: str


@dataclass(frozen=True)
class Document:
    """A text as it stands; sentences of one paragraph belong together."""

    paragraphs: tuple[str, ...]


@dataclass(frozen=True)
class Labelled:
    """A text, or two to be judged together, and what it is: a label, several, or a number."""

    text: str
    label: str | tuple[str, ...] | float
    text_pair: str | None = None


@dataclass(frozen=True)
class Answer:
    """Words of a context, and the character where they start."""

    text: str
    start: int


@dataclass(frozen=True)
class Question:
    """A question about a context; it has no answer there if `answers` is empty, and any of several is right."""

    context: str
    question: str
    answers: tuple[Answer, ...] = ()
    name: str = ""
    """The `id` of the record, by which others' predictions name it."""


def as_dialogue(record: Any) -> Dialogue:
    """`{"turns": [text, …], "personas": [[line, …], [line, …]]?, "rewards": [number, …]?}`, the first speaker's first.

    Raises: DataError saying which field is wrong; so does every function here.
    """
    fields = _fields(record, "`turns`")
    turns, personas = _listed(fields.get("turns")), _listed(fields.get("personas")) or []
    faults = []
    if not _are_texts(turns) or len(turns) < 2:
        faults.append(f"`turns` must be a list of at least two texts that are not blank, but is {shown(turns)}.")
    if not isinstance(personas, list) or len(personas) not in (0, 2) or not all(map(_are_texts, personas)):
        faults.append(f"`personas` must be two lists of texts that are not blank, but is {shown(personas)}.")
    rewards = _listed(fields.get("rewards")) or []
    if not isinstance(rewards, list) or None in map(_number, rewards) or (rewards and not _are_as_many(rewards, turns)):
        faults.append(f"`rewards` must be a number a turn, but is {shown(rewards)}.")
    _refuse(faults)
    return Dialogue(tuple(turns), tuple(tuple(lines) for lines in personas), tuple(map(float, rewards)))


def as_pair(record: Any, source: str = "text", target: str = "summary", remedy: str = "") -> Pair:
    """`{"text": …, "summary": …}`, or under other names of fields; `remedy` says how to name others."""
    fields = _fields(record, f"`{source}` and `{target}`")
    _refuse([*_text_faults(fields, source, target), *_others(fields, (source, target), remedy)])
    return Pair(fields[source], fields[target])


def as_translation(record: Any, source: str, target: str) -> Pair:
    """`{"translation": {"en": …, "ro": …}}` from language `source` to `target`, or `{"source": …, "target": …}`."""
    fields = _fields(record, "`translation`, or `source` and `target`,")
    if "translation" not in fields:
        return as_pair(fields, "source", "target")
    texts = _listed(fields["translation"])
    if not isinstance(texts, Mapping):
        raise DataError(f"`translation` must be an object of a text a language, but is {shown(texts)}.")
    _refuse([f"`translation`: {fault}" for fault in _text_faults(texts, source, target)])
    return Pair(texts[source], texts[target])


def as_document(record: Any) -> Document:
    """`{"paragraphs": [text, …]}`, `{"text": …}` or a bare text; lines of those are paragraphs."""
    text = record if isinstance(record, str) else None
    if text is None:
        fields = _fields(record, "`paragraphs` or `text`")
        if "paragraphs" in fields:
            paragraphs = _listed(fields["paragraphs"])
            if not _are_texts(paragraphs) or not paragraphs:
                raise DataError(f"`paragraphs` must be texts that are not blank, but is {shown(paragraphs)}.")
            return Document(tuple(paragraphs))
        text = fields.get("text")
    if not is_text(text):
        raise DataError(f"`text` must be a text that is not blank, but is {shown(text)}.")
    return Document(tuple(line for line in text.splitlines() if line.strip()))


def as_labelled(
    record: Any,
    problem_type: LabelKind = "single_label_classification",
    names: tuple[str | None, str | None, str | None] = (None, None, None),
    remedy: str = "",
) -> Labelled:
    """`{"text": …, "text_pair": …?, "label": …}`, or the columns of a GLUE file.

    A label is a text or a whole number, which is a name all the same; for several labels it is a list of such; for
    regression a number. `names` says what the fields of text, pair and label are called where they are others; with a
    name for the text, None for the pair is no pair; `remedy` says how to name others.
    """
    fields = _fields(record, "`text` and `label`")
    known = _label_fields(fields)
    text, pair, label = names[0] or known[0], names[1] if names[0] else known[1], names[2] or known[2]
    present = [name for name in (text, pair) if name and (name != "text_pair" or fields.get(name) is not None)]
    faults = _text_faults(fields, *present)
    value = _label(fields.get(label), problem_type)
    if value is None:
        wanted = {
            "single_label_classification": "a text or a whole number",
            "multi_label_classification": "a list of texts or whole numbers",
            "regression": "a finite number",
        }[problem_type]
        faults.append(f"`{label}` must be {wanted}, but is {shown(fields.get(label))}.")
    _refuse([*faults, *_others(fields, (*present, label), remedy)])
    assert value is not None
    return Labelled(fields[text], value, fields[pair] if pair is not None and pair in present else None)


def as_question(record: Any) -> Question:
    """`{"context": …, "question": …, "answers": …}` as in SQuAD; `answers` are objects, or an object of two lists.

    Each answer has `text` and `answer_start`. No answer, or `is_impossible`: the context does not tell.
    """
    fields = _fields(record, "`context`, `question` and `answers`")
    faults = _text_faults(fields, "context", "question")
    answers = _answers(_listed(fields.get("answers")))
    if answers is None:
        told = shown(fields.get("answers"))
        faults.append(f"`answers` must be objects with `text` and `answer_start`, or two such lists, but is {told}.")
    elif fields.get("is_impossible") and answers:
        faults.append(f"`answers` must be empty where `is_impossible`, but has {len(answers)}.")
    elif not faults:
        faults += [fault for answer in answers if (fault := _place_fault(fields["context"], answer))]
    _refuse(faults)
    return Question(fields["context"], fields["question"], tuple(answers or ()), str(fields.get("id", "")))


def is_text(value: Any) -> TypeGuard[str]:
    """Whether a value is text that is not blank and that a tokenizer can read: half a surrogate pair is not."""
    if not isinstance(value, str) or not value.strip():
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(value: Any) -> str:
    """A value as JSON, short enough for a line."""
    text = json.dumps(value, ensure_ascii=False, default=repr).encode(errors="backslashreplace").decode()
    return text if len(text) <= 60 else text[:57] + "…"


def _fields(record: Any, wanted: str) -> Mapping[str, Any]:
    if not isinstance(record, Mapping):
        raise DataError(f"a record must be an object with {wanted}, but is {shown(record)}.")
    return record


def _refuse(faults: Sequence[str]) -> None:
    """All faults of a record in one line, because many records may be shown one under the other."""
    if faults:
        raise DataError(" ".join(faults))


def _text_faults(fields: Mapping[str, Any], *names: str) -> list[str]:
    return [
        f"`{name}` must be a text that is not blank, but is {shown(fields.get(name))}."
        for name in names
        if not is_text(fields.get(name))
    ]


def _others(fields: Mapping[str, Any], names: Sequence[str], remedy: str) -> list[str]:
    """Where one of `names` is no field at all: the fields there are, and what to do."""
    if all(name in fields for name in names):
        return []
    known = [shown(name) for name in fields]
    told = ", ".join(known[:SHOWN_FIELDS]) + (" …" if len(known) > SHOWN_FIELDS else "")
    return [f"Fields there are: {told or 'none'}.", *([remedy] if remedy else [])]


def _are_as_many(values: list[Any], others: Any) -> bool:
    return isinstance(others, list) and len(values) == len(others)


def _are_texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(map(is_text, value))


def _listed(value: Any) -> Any:
    """What a cell of CSV holds as JSON, read; anything else as it is."""
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _label_fields(fields: Mapping[str, Any]) -> tuple[str, str | None, str]:
    """What text, pair and label are called in this record; our own names if it has none that are known."""
    for text, pair in TEXT_FIELDS:
        if text in fields and (pair in fields or pair in (None, "text_pair")):
            break
    else:
        text, pair = TEXT_FIELDS[0]
    return text, pair, next((name for name in LABEL_FIELDS if name in fields), LABEL_FIELDS[0])


def _label(value: Any, problem_type: LabelKind) -> str | tuple[str, ...] | float | None:
    """None for what is no label."""
    if problem_type == "regression":
        return _number(value)
    if problem_type == "single_label_classification":
        return _label_name(value)
    value = _listed(value)
    names = [_label_name(item) for item in value] if isinstance(value, list) else [None]
    return tuple(name for name in names if name is not None) if None not in names else None


def _label_name(value: Any) -> str | None:
    if isinstance(value, bool | int):
        return json.dumps(value)
    return value.strip() if is_text(value) else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _answers(value: Any) -> list[Answer] | None:
    """None for what are no answers."""
    if isinstance(value, Mapping):  # two lists side by side, as the `datasets` library has it
        texts, starts = value.get("text"), value.get("answer_start")
        if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
            return None
        value = [{"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)]
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        return None
    found = [(item.get("text"), item.get("answer_start")) for item in value]
    if not all(is_text(text) and isinstance(start, int) and not isinstance(start, bool) for text, start in found):
        return None
    return [Answer(text, start) for text, start in found]


def _place_fault(context: str, answer: Answer) -> str | None:
    there = context[max(answer.start, 0) : max(answer.start, 0) + len(answer.text)]
    if answer.start >= 0 and there == answer.text:
        return None
    return f"`answer_start` {answer.start} must be where {shown(answer.text)} stands, but there is {shown(there)}."
