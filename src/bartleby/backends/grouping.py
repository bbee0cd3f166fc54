"""Which of several texts a backend computes side by side; what comes out never hangs on it."""

from __future__ import annotations

from collections.abc import Iterator

from bartleby.backends.protocol import Texts
from bartleby.family.config import PreTrainedConfig
from bartleby.generation.config import GenerationConfig
from bartleby.generation.options import listed
from bartleby.generation.search import whole_prompts


def by_prompt_length(
    options: GenerationConfig, decoder_input_ids: Texts | None, count: int
) -> Iterator[tuple[list[int], list[list[int]]]]:
    """The places of the sources whose prompts are of one length, and their prompts.

    What is written side by side starts at one place.
    """
    prompts = whole_prompts(options, decoder_input_ids, count)
    for length in sorted({len(prompt) for prompt in prompts}):
        members = [place for place, prompt in enumerate(prompts) if len(prompt) == length]
        yield members, [prompts[place] for place in members]


def by_number_of_ends(texts: Texts, config: PreTrainedConfig) -> Iterator[list[int]]:
    """The places of the texts with as many eos: single texts and pairs are not labelled side by side."""
    ends = set(listed(config.eos_token_id))
    counts = [sum(token in ends for token in text) for text in texts]
    for wanted in sorted(set(counts)):
        yield [place for place, count in enumerate(counts) if count == wanted]


def each_once(texts: Texts) -> tuple[list[list[int]], list[int]]:
    """The texts without those that come again, and which of them each one is."""
    place_of: dict[tuple[int, ...], int] = {}
    places = [place_of.setdefault(tuple(text), len(place_of)) for text in texts]
    return [list(text) for text in place_of], places


def alike_in_length(texts: Texts, tokens: int) -> Iterator[list[int]]:
    """The places of texts of like length, the shortest first; padded, a group has at most `tokens`, or one text."""
    group: list[int] = []
    for place in sorted(range(len(texts)), key=lambda place: len(texts[place])):
        if group and len(texts[place]) * (len(group) + 1) > tokens:
            yield group
            group = []
        group.append(place)
    if group:
        yield group
