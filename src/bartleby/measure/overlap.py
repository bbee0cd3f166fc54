"""How much of a reference is in a text, word by word: BLEU for translations, F1 and exact match for short answers."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bartleby.errors import DataError, need_extra
from bartleby.measure.words import check_pairs

_ARTICLE = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class Bleu:
    """The figure, and how it was computed: without the signature two figures cannot be compared."""

    value: float
    """0 to 100."""
    signature: str


def bleu(texts: Sequence[str], references: Sequence[Sequence[str]]) -> Bleu:
    """BLEU of the whole corpus by `sacrebleu`, with its default tokenization and smoothing.

    `references` holds one or more for each text.
    Raises: DataError if a text has none, or there is no text; MissingExtraError.
    """
    need_extra("measure", "BLEU")
    from sacrebleu.metrics import BLEU

    check_pairs(texts, references)
    _check_references(references)
    most = max(map(len, references))
    streams = [[each[place] if place < len(each) else None for each in references] for place in range(most)]
    metric = BLEU()
    score = metric.corpus_score(list(texts), streams)
    return Bleu(float(score.score), str(metric.get_signature()))


@dataclass(frozen=True)
class AnswerFigures:
    """Of one answer beside its references, the best of them; or the means over many."""

    exact_match: float
    f1: float


def answers(texts: Sequence[str], references: Sequence[Sequence[str]]) -> AnswerFigures:
    """Means over all answers. A question without an answer has "" as its reference.

    Raises: DataError if an answer has no reference, or there is no answer.
    """
    check_pairs(texts, references)
    _check_references(references)
    each = [answer(text, known) for text, known in zip(texts, references, strict=True)]
    return AnswerFigures(
        sum(figures.exact_match for figures in each) / len(each), sum(figures.f1 for figures in each) / len(each)
    )


def answer(text: str, references: Sequence[str]) -> AnswerFigures:
    """Beside each reference, and the best of these."""
    found = plain_words(text)
    known = [plain_words(reference) for reference in references]
    return AnswerFigures(float(found in known), max(_f1(found, wanted) for wanted in known))


def plain_words(text: str) -> list[str]:
    """Lower-case, without punctuation (ASCII's) and articles.

    Source: Rajpurkar et al. 2016 (arXiv 1606.05250), section 6.1, and its published evaluation.
    """
    return _ARTICLE.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()


def _f1(found: Sequence[str], wanted: Sequence[str]) -> float:
    if not found or not wanted:
        return float(found == wanted)  # no answer is right where there is none
    common = sum((Counter(found) & Counter(wanted)).values())
    return 2 * common / (len(found) + len(wanted))


def _check_references(references: Sequence[Sequence[str]]) -> None:
    without = [place for place, known in enumerate(references) if not known or isinstance(known, str)]
    if without:
        raise DataError(f"Every text must have a list of references, but the one at index {without[0]} has none.")
