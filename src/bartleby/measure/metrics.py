"""The figures by name: what each says and which way is better. Runs choose their best checkpoint by one of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from bartleby.errors import OptionError

Direction = Literal["higher", "lower"]


@dataclass(frozen=True)
class Metric:
    """One figure that reports and logs may hold."""

    name: str
    direction: Direction
    meaning: str

    def is_better(self, figure: float, than: float) -> bool:
        """Whether `figure` beats `than`; an equal one does not, and nan beats nothing but is beaten by any number."""
        if math.isnan(figure) or math.isnan(than):
            return math.isnan(than) and not math.isnan(figure)
        return figure > than if self.direction == "higher" else figure < than


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("loss", "lower", "what training minimises, a token or an example"),
        Metric("perplexity", "lower", "of the reference, per token of the model's own vocabulary"),
        Metric("hits_at_1", "higher", "share of replies ranked above 19 others"),
        Metric("distinct_1", "higher", "share of words that differ, over all replies"),
        Metric("distinct_2", "higher", "share of pairs of words that differ, over all replies"),
        Metric("repetition", "lower", "share of pairs of words that a text has had before, mean over texts"),
        Metric("rouge1", "higher", "words in common with the reference, F"),
        Metric("rouge2", "higher", "pairs of words in common with the reference, F"),
        Metric("rougeL", "higher", "longest common subsequence of words, F"),
        Metric("rougeLsum", "higher", "the same, sentence by sentence, F"),
        Metric("bleu", "higher", "n-grams in common with the references, 0 to 100"),
        Metric("accuracy", "higher", "share of labels that are right"),
        Metric("f1", "higher", "precision and recall in one, of labels or of words"),
        Metric("exact_match", "higher", "share of answers that are right to the word"),
        Metric("matthews", "higher", "Matthews correlation of two classes, -1 to 1"),
        Metric("pearson", "higher", "linear correlation, -1 to 1"),
        Metric("spearman", "higher", "correlation of ranks, -1 to 1"),
        Metric("squared_error", "lower", "mean squared difference from the wanted number"),
    )
}


def metric_of(name: str) -> Metric:
    """The metric called `name`.

    Raises: OptionError if there is none.
    """
    if name in METRICS:
        return METRICS[name]
    near = get_close_matches(name, METRICS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise OptionError(f"The metric must be one of {', '.join(METRICS)}, but is {name!r}.{hint}")
