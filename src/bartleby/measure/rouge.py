"""How much of a reference summary is in another: ROUGE, by the `rouge-score` package.

All figures are F-measures between 0 and 1, of words that are stemmed (Porter) and lower-case; all but a-z and 0-9 parts
words, so texts in other scripts score 0. ROUGE-L takes a text as one sequence. ROUGE-Lsum takes it sentence by
sentence: its lines, or in a text of one line what `words.sentences` finds.

Source: Lin 2004, "ROUGE: a package for automatic evaluation of summaries".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bartleby.errors import need_extra
from bartleby.measure.words import check_pairs, sentences

KINDS = ("rouge1", "rouge2", "rougeL", "rougeLsum")
SETTINGS = "rouge-score, F-measure, stemmed; Lsum: lines, or else sentences"
"""What a report says beside the figures."""


def rouge(texts: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """The mean of each kind over all texts.

    Raises: DataError unless there is one reference for each text, and at least one; MissingExtraError.
    """
    each = rouge_each(texts, references)
    return {kind: float(np.mean([figures[kind] for figures in each])) for kind in KINDS}


def rouge_each(texts: Sequence[str], references: Sequence[str]) -> list[dict[str, float]]:
    """The figures of every text by itself; an empty one has 0.

    Raises: as `rouge`.
    """
    need_extra("measure", "ROUGE")
    from rouge_score.rouge_scorer import RougeScorer

    check_pairs(texts, references)
    scorer = RougeScorer(list(KINDS), use_stemmer=True)
    return [
        {kind: float(score.fmeasure) for kind, score in scorer.score(_lined(reference), _lined(text)).items()}
        for text, reference in zip(texts, references, strict=True)
    ]


def _lined(text: str) -> str:
    """A sentence a line; line breaks mean nothing to the other kinds."""
    return "\n".join(sentences(text))
