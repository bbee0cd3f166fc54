from __future__ import annotations

import json
from typing import Any

from bartleby.generation.provenance import Origin
from bartleby.generation.trace import Bound, Candidate, Effect, OutputTrace, Step, Touch, Trace

BAN = Effect("no_repeat_ngram_size", "NoRepeatNgram", 1, 0, 9, (Touch(5, 1, -0.1, None),))
CUT = Effect("top_k", "TopK", 6, 0, 3, (Touch(4, 2, -1.0, -1.0), Touch(6, 3, -2.0, -2.0)))
MANY = Effect("bad_words_ids", "BadWords", 7, 2, 40, (Touch(5, 1, 0.5, None), Touch(6, 2, 0.5, 0.25)))


class Words:
    """A tokenizer as far as a trace needs one."""

    def decode(self, ids: list[int], **options: Any) -> str:
        return {5: " the", 7: "\ufffd"}.get(ids[0], f"w{ids[0]}")

    def convert_ids_to_tokens(self, token: int) -> str:
        return "Ã"


def step_of(*effects: Effect, token: int = 4, **more: Any) -> Step:
    likely = (Candidate(5, 0.6), Candidate(4, 0.3))
    fields = {"why": "best", "rank": 2, "probability": 0.3, "probability_left": 0.75} | more
    return Step(1, 0, token, before=likely, effects=effects, after=likely[1:], **fields)


def trace_of(*steps: Step, reason: Any = "eos", prompt: tuple[int, ...] = (2,), length: int = 1) -> Trace:
    output = OutputTrace(0, 0, prompt, tuple(step.token for step in steps), steps, reason)
    origins = {
        "no_repeat_ngram_size": Origin(3, "config", 3),
        "max_length": Origin(20, "default", 20),
        "min_length": Origin(5, "caller", 5),
        "decoder_start_token_id": Origin(2, "generation_config", 2),
        "num_beams": Origin(1, "default", 1),
    }
    start = "decoder_start_token_id" if prompt[:1] == (2,) else None
    return Trace((output,), Bound(5, "min_length"), Bound(20, "max_length"), start, origins, length, 50)


def test_each_fact_has_its_line() -> None:
    assert trace_of(step_of(BAN)).explain(Words()).splitlines() == [
        "source 0, output 0: 1 token written",
        "  length: at least 5 (min_length=5 from the caller), at most 20 (max_length=20 from the default), "
        "prompt of 1 included",
        "  start: 'w2': decoder_start_token_id=2 from the model's generation config is what every output begins with",
        "  rule: no_repeat_ngram_size=3 from the model's config.json",
        "  step 1: 'w4' (best, 30.0% before the rules, 75.0% after); no_repeat_ngram_size=3 banned 1 token: ' the' "
        "(rank 1); the model's first choice was ' the' (60.0%)",
        "  end: an end token was written",
    ]


def test_without_a_tokenizer_tokens_are_numbers() -> None:
    assert "token 5 (rank 1)" in str(trace_of(step_of(BAN)))


def test_part_of_a_character_is_shown_as_the_token_it_is() -> None:
    assert "'Ã' (best" in trace_of(step_of(token=7)).explain(Words())


def test_what_did_not_change_is_not_repeated() -> None:
    line = trace_of(step_of(probability_left=0.3)).explain().splitlines()[3]
    assert line == "  step 1: token 4 (best, 30.0% before the rules); the model's first choice was token 5 (60.0%)"
    unknown = trace_of(step_of(probability=None, probability_left=None, why="chosen")).explain().splitlines()[3]
    assert unknown.startswith("  step 1: token 4 (chosen); ")


def test_rules_that_leave_few_tokens_are_told_by_what_they_left() -> None:
    assert "top_k left only token 4 (rank 2 of 50), token 6 (rank 3 of 50)" in str(trace_of(step_of(CUT)))
    nothing = Effect("suppress_tokens", "SuppressTokens", 50, 0, 0, ())
    assert "suppress_tokens left only nothing" in str(trace_of(step_of(nothing)))


def test_of_many_tokens_only_the_likeliest_are_named() -> None:
    text = "bad_words_ids banned 7 tokens: token 5 (rank 1), …, changed 2 tokens: token 6 by -0.25, …"
    assert text in str(trace_of(step_of(MANY)))
    unseen = Effect("bad_words_ids", "BadWords", 7, 0, 40, ())
    assert "banned 7 tokens, none of the likeliest" in str(trace_of(step_of(unseen)))


def test_prompts_may_hold_padding_or_no_tokens_at_all() -> None:
    assert "prompt of 4 included, 2 of it padding\n  start: token 8 token 9 is the caller's" in str(
        trace_of(step_of(), prompt=(8, 9), length=4)
    )
    assert "prompt of 0 included\n  start: no token: the prompt is vectors" in str(
        trace_of(step_of(), prompt=(), length=0)
    )


def test_it_is_json() -> None:
    fields = json.loads(json.dumps(trace_of(step_of(BAN)).to_dict()))
    assert fields["outputs"][0]["steps"][0]["effects"][0]["setting"] == "no_repeat_ngram_size"
    assert fields["outputs"][0]["steps"][0]["effects"][0]["touched"][0]["after"] is None
    assert fields["origins"]["max_length"] == {"value": 20, "source": "default", "said": 20}
    assert "num_beams" not in fields["origins"]
