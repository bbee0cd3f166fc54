"""How good summaries are: ROUGE beside the reference, and how likely the model finds the reference itself."""

from __future__ import annotations

from collections.abc import Sequence

from bartleby.backends.protocol import check_head
from bartleby.errors import need_extra
from bartleby.lab.evaluating.baselines import TfIdf, first_sentence
from bartleby.lab.evaluating.model import Measured, Model, Request, refuse_nothing
from bartleby.measure.perplexity import perplexity
from bartleby.measure.repetition import mean_length, repetition
from bartleby.measure.rouge import SETTINGS, rouge, rouge_each
from bartleby.tasks.summarize import Summarizer, Summary
from bartleby.training.records import Pair


def measure_summaries(model: Model, pairs: Sequence[Pair], request: Request) -> Measured:
    """Summarize a sample of texts as `Summarizer` does, and measure what comes of it.

    Raises: DataError if there is no text; OptionError for a style that the model does not have; MissingExtraError.
    """
    need_extra("measure", "Measuring summaries")  # before the minutes that writing them takes
    check_head(model.backend.head, "conditional_generation")
    refuse_nothing(len(pairs), "pair of text and summary")
    summarizer = Summarizer(model.backend, model.tokenizer, request.writing.options if request.writing else None)
    places = sorted(request.sampling.order(len(pairs))[: request.sampling.limit])
    sample = [pairs[place] for place in places]
    seed = request.writing.seed if request.writing else None
    summaries = summarizer.summarize_all(
        [pair.source for pair in sample],
        request.style,
        seed,
        lambda done: request.watch("summarizing", done, len(sample)),
    )
    texts, references = [summary.text for summary in summaries], [pair.target for pair in sample]
    likelihood, unscored = _likelihood(model, summarizer, sample, request)
    return Measured(
        figures={**likelihood, **_figures(texts, references)},
        facts={
            "style": summaries[0].style,
            "rouge": SETTINGS,
            "cut_sources": sum(summary.dropped_tokens > 0 for summary in summaries),
            "dropped_tokens": sum(summary.dropped_tokens for summary in summaries),
            "unfinished": sum(summary.finish_reason != "eos" for summary in summaries),
            **unscored,
        },
        outputs=_outputs(places, sample, summaries),
        baselines=_baselines(pairs, places, request) if request.baselines else {},
    )


def _figures(texts: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    return {**rouge(texts, references), "repetition": repetition(texts), "mean_length": mean_length(texts)}


def _likelihood(
    model: Model, summarizer: Summarizer, sample: Sequence[Pair], request: Request
) -> tuple[dict[str, float], dict[str, int]]:
    """Perplexity of the references, and how many were too long for it."""
    style = summarizer.style_of(request.style)
    targets = [model.target(pair.target) for pair in sample]
    fitting = [place for place, target in enumerate(targets) if len(target) <= model.positions]
    facts = {"reference_tokens": sum(len(targets[place]) for place in fitting), "unscored": len(sample) - len(fitting)}
    if not fitting:
        return {}, facts
    sources = [summarizer.source(sample[place].source, style).ids for place in fitting]
    scores = model.likelihoods(sources, [[targets[place]] for place in fitting], request.watch)
    return {"perplexity": perplexity(found for [found] in scores).value}, facts


def _outputs(places: Sequence[int], sample: Sequence[Pair], summaries: Sequence[Summary]) -> list[dict[str, object]]:
    each = rouge_each([summary.text for summary in summaries], [pair.target for pair in sample])
    return [
        {
            "record": place,
            "output": summary.text,
            "reference": pair.target,
            "source_tokens": summary.source_tokens,
            "dropped_tokens": summary.dropped_tokens,
            **figures,
        }
        for place, pair, summary, figures in zip(places, sample, summaries, each, strict=True)
    ]


def _baselines(pairs: Sequence[Pair], places: Sequence[int], request: Request) -> dict[str, dict[str, float]]:
    """The first sentence, the whole text, and the summary of the nearest text known, which is never the same record."""
    known: Sequence[Pair] = pairs if request.known is None else request.known
    request.watch("baselines", 0, len(places))
    index = TfIdf([pair.source for pair in known])
    nearest = [index.nearest(pairs[place].source, [place] if request.known is None else ()) for place in places]
    sources, references = [pairs[place].source for place in places], [pairs[place].target for place in places]
    return {
        "lead_1": _figures([first_sentence(source) for source in sources], references),
        "copy": _figures(sources, references),
        "retrieval": _figures(["" if place is None else known[place].target for place in nearest], references),
    }
