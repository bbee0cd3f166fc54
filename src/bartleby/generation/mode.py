"""The search that options ask for, by its published name."""

from __future__ import annotations

from enum import StrEnum

from bartleby.generation.options import Options


class GenerationMode(StrEnum):
    """The published names of the searches; each compares equal to its text."""

    CONTRASTIVE_SEARCH = "contrastive_search"
    GREEDY_SEARCH = "greedy_search"
    SAMPLE = "sample"
    ASSISTED_GENERATION = "assisted_generation"
    DOLA_GENERATION = "dola_generation"
    BEAM_SEARCH = "beam_search"
    BEAM_SAMPLE = "beam_sample"
    CONSTRAINED_BEAM_SEARCH = "constrained_beam_search"
    GROUP_BEAM_SEARCH = "group_beam_search"


def mode_of(options: Options, is_assisted: bool = False) -> GenerationMode:
    """The search that `options` ask for; `is_assisted` when another model writes ahead."""
    if options.constraints is not None or options.force_words_ids is not None:
        return GenerationMode.CONSTRAINED_BEAM_SEARCH
    if options.num_beams > 1:
        if options.num_beam_groups > 1:
            return GenerationMode.GROUP_BEAM_SEARCH
        return GenerationMode.BEAM_SAMPLE if options.do_sample else GenerationMode.BEAM_SEARCH
    if not options.do_sample and options.top_k > 1 and options.penalty_alpha:
        return GenerationMode.CONTRASTIVE_SEARCH
    if options.dola_layers is not None:
        return GenerationMode.DOLA_GENERATION
    if is_assisted or options.prompt_lookup_num_tokens is not None:
        return GenerationMode.ASSISTED_GENERATION
    return GenerationMode.SAMPLE if options.do_sample else GenerationMode.GREEDY_SEARCH
