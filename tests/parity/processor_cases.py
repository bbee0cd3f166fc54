"""Logits processors of release 4.37 at work on drawn scores: the same numbers on every machine.

`CASES` makes each from a library that has the published classes, `call` lets it change the scores of a step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

VOCABULARY, ROWS = 23, 4
LENGTHS = (1, 3, 6)
SOURCES = torch.tensor([[4, 5, 6, 4, 5, 2], [7, 8, 9, 10, 2, 1], [4, 4, 4, 4, 4, 2], [3, 5, 7, 3, 5, 2]])
CASES: dict[str, Any] = {
    "min_length": lambda lib: lib.MinLengthLogitsProcessor(5, [2, 7]),
    "min_new_tokens": lambda lib: lib.MinNewTokensLengthLogitsProcessor(2, 3, 2),
    "temperature": lambda lib: lib.TemperatureLogitsWarper(0.7),
    "repetition_penalty": lambda lib: lib.RepetitionPenaltyLogitsProcessor(1.7),
    "encoder_repetition_penalty": lambda lib: lib.EncoderRepetitionPenaltyLogitsProcessor(1.7, SOURCES),
    "no_repeat_ngram_size": lambda lib: lib.NoRepeatNGramLogitsProcessor(2),
    "encoder_no_repeat_ngram_size": lambda lib: lib.EncoderNoRepeatNGramLogitsProcessor(2, SOURCES),
    "sequence_bias": lambda lib: lib.SequenceBiasLogitsProcessor({(4,): 2.0, (5, 6): -3.0, (4, 5, 6): 0.5}),
    "bad_words_ids": lambda lib: lib.NoBadWordsLogitsProcessor([[2], [4], [5, 6]], 2),
    "prefix_allowed_tokens_fn": lambda lib: lib.PrefixConstrainedLogitsProcessor(lambda s, ids: [s, int(ids[-1])], 2),
    "diversity_penalty": lambda lib: lib.HammingDiversityLogitsProcessor(0.5, num_beams=4, num_beam_groups=2),
    "forced_bos_token_id": lambda lib: lib.ForcedBOSTokenLogitsProcessor(4),
    "forced_eos_token_id": lambda lib: lib.ForcedEOSTokenLogitsProcessor(7, [2, 3]),
    "remove_invalid_values": lambda lib: lib.InfNanRemoveLogitsProcessor(),
    "exponential_decay_length_penalty": lambda lib: lib.ExponentialDecayLengthPenalty((1, 1.3), [2, 3], 1),
    "suppress_tokens": lambda lib: lib.SuppressTokensLogitsProcessor([4, 5]),
    "begin_suppress_tokens": lambda lib: lib.SuppressTokensAtBeginLogitsProcessor([4, 5], 3),
    "forced_decoder_ids": lambda lib: lib.ForceTokensLogitsProcessor([[1, 5], [3, 6]]),
    "top_k": lambda lib: lib.TopKLogitsWarper(5, min_tokens_to_keep=2),
    "top_p": lambda lib: lib.TopPLogitsWarper(0.8, min_tokens_to_keep=2),
    "typical_p": lambda lib: lib.TypicalLogitsWarper(0.6),
    "epsilon_cutoff": lambda lib: lib.EpsilonLogitsWarper(0.05),
    "eta_cutoff": lambda lib: lib.EtaLogitsWarper(0.1),
    "renormalize_logits": lambda lib: lib.LogitNormalization(),
}


def call(name: str, library: Any, length: int) -> Any:
    """The scores of four rows of `length` tokens, as the processor leaves them."""
    random = np.random.default_rng(length)
    ids = torch.from_numpy(random.integers(2, 8, size=(ROWS, length)))
    scores = torch.from_numpy((2 * random.standard_normal((ROWS, VOCABULARY))).astype(np.float32))
    processor = CASES[name](library)
    if name == "diversity_penalty":  # rows of two sources' second groups
        current = torch.from_numpy(random.integers(2, 8, size=8))
        return processor(ids, scores, current_tokens=current, beam_group_idx=1)
    return processor(ids, scores)
