"""The doors of 4.x opened the same way in any library: processors, criteria and scorers are built from a draw."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from tests.parity.draws import Draw, draw

DOORS = ("greedy_search", "beam_search", "group_beam_search", "constrained_beam_search", "contrastive_search")


def entry_draw(model_type: str, seed: int) -> Draw:
    """The draw of that number with what a door takes, and nothing more."""
    drawn, random = draw(model_type, seed), np.random.default_rng([seed, 5])
    groups, size = int(random.integers(2, 4)), int(random.integers(1, 3))
    vocabulary = drawn.config.vocab_size
    options = {
        "num_beams": groups * size,
        "num_beam_groups": groups,
        "num_return_sequences": int(random.integers(1, groups * size + 1)),
        "diversity_penalty": float(random.choice([0.5, 2.0])),
        "length_penalty": float(random.choice([1.0, 0.0, 0.65, 2.0])),
        "early_stopping": [False, True, "never"][int(random.integers(3))],
        "max_length": int(random.integers(8, 20)),
        "min_length": int(random.integers(0, 6)),
        "repetition_penalty": float(random.choice([1.0, 1.3])),
        "no_repeat_ngram_size": int(random.integers(0, 4)),
        "penalty_alpha": float(random.choice([0.3, 0.6])),
        "top_k": int(random.integers(2, 6)),
        "force_words_ids": [
            random.integers(3, vocabulary, size=2).tolist(),
            random.integers(3, vocabulary, 1).tolist(),
        ],
        "eos_token_id": 2,
        "pad_token_id": drawn.config.pad_token_id,
    }
    return replace(drawn, options=options)


def enter(door: str, model: Any, library: Any, drawn: Draw) -> Any:
    """What the door gives for all sources of a draw, with scores."""
    options = drawn.options
    rows = options["num_beams"] if "beam" in door else 1
    longest, pad = max(map(len, drawn.sources)), options["pad_token_id"]
    ids = torch.tensor([[*source, *[pad] * (longest - len(source))] for source in drawn.sources])
    mask = torch.tensor([[1] * len(source) + [0] * (longest - len(source)) for source in drawn.sources])
    prompts = drawn.prompts or [[drawn.config.decoder_start_token_id]] * len(ids)
    with torch.no_grad():
        encoded = model.get_encoder()(
            ids.repeat_interleave(rows, dim=0), attention_mask=mask.repeat_interleave(rows, dim=0), return_dict=True
        )
    more: dict[str, Any] = {}
    if "beam" in door:
        more[("constrained_" if "constrained" in door else "") + "beam_scorer"] = scorer(door, library, drawn)
    if door == "contrastive_search":
        more |= {"penalty_alpha": options["penalty_alpha"], "top_k": options["top_k"], "use_cache": True}
    return getattr(model, door)(
        torch.tensor(prompts).repeat_interleave(rows, dim=0),
        logits_processor=processors(door, library, options),
        stopping_criteria=library.StoppingCriteriaList([library.MaxLengthCriteria(options["max_length"])]),
        pad_token_id=options["pad_token_id"],
        eos_token_id=options["eos_token_id"],
        output_scores=True,
        return_dict_in_generate=True,
        encoder_outputs=encoded,
        attention_mask=mask.repeat_interleave(rows, dim=0),
        **more,
    )


def processors(door: str, library: Any, options: dict[str, Any]) -> Any:
    """The rules of a draw as objects."""
    found = library.LogitsProcessorList()
    if door == "group_beam_search":
        found.append(
            library.HammingDiversityLogitsProcessor(
                options["diversity_penalty"],
                num_beams=options["num_beams"],
                num_beam_groups=options["num_beam_groups"],
            )
        )
    if options["repetition_penalty"] != 1:
        found.append(library.RepetitionPenaltyLogitsProcessor(options["repetition_penalty"]))
    if options["no_repeat_ngram_size"]:
        found.append(library.NoRepeatNGramLogitsProcessor(options["no_repeat_ngram_size"]))
    if options["min_length"]:
        found.append(library.MinLengthLogitsProcessor(options["min_length"], options["eos_token_id"]))
    return found


def scorer(door: str, library: Any, drawn: Draw) -> Any:
    """The beam scorer that a door takes."""
    options = drawn.options
    more: dict[str, Any] = {}
    if door == "group_beam_search":
        more["num_beam_groups"] = options["num_beam_groups"]
    if door == "constrained_beam_search":
        more["constraints"] = [library.PhrasalConstraint(words) for words in options["force_words_ids"]]
    kind = library.ConstrainedBeamSearchScorer if "constraints" in more else library.BeamSearchScorer
    return kind(
        batch_size=len(drawn.sources),
        num_beams=options["num_beams"],
        device="cpu",
        length_penalty=options["length_penalty"],
        do_early_stopping=options["early_stopping"],
        num_beam_hyps_to_keep=options["num_return_sequences"],
        max_length=options["max_length"],
        **more,
    )
