"""Calls of `generate` drawn at random: a draw of draws.py with everything else that a caller may ask for.

Every way of decoding that gives one right answer is reached: greedy search and beams with all their options, samples
of equal seeds, drafts of an assistant or of the prompt; encoder-decoders and decoders alone; ragged prompts; callers'
own functions; every kind of input, of cache and of output.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from tests.parity.draws import POSITIONS, Draw, Form, draw
from tests.parity.random_models import MODEL_TYPES

Way = Literal["plain", "sampled", "assisted", "lookup"]
Given = Literal["ids", "vectors", "states"]
Companion = Literal["processor", "criterion", "allowed"]
OF_BEAMS = ("length_penalty", "early_stopping")
RECORDS = ("output_scores", "output_logits", "output_attentions", "output_hidden_states")
WAYS: tuple[Way, ...] = (*("plain",) * 7, "sampled", "sampled", "assisted", "lookup")
AHEAD = ("assisted", "lookup")
OF_DRAFTS = (
    *("num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold"),
    *("prompt_lookup_num_tokens", "max_matching_ngram_size"),
)
CUTS: tuple[dict[str, Any], ...] = (
    {},
    {"top_k": 5, "temperature": 0.7},
    {"top_k": 0, "top_p": 0.8},
    {"top_k": 0, "min_p": 0.1},
    {"top_h": 0.4},
    {"typical_p": 0.7},
    {"epsilon_cutoff": 0.02},
    {"eta_cutoff": 0.05},
)
FIRST_SEED = 10_000  # the numbers before are drawn elsewhere


@dataclass(frozen=True)
class Call:
    """One call: what `drawn` says, written by `way`."""

    drawn: Draw
    form: Form
    way: Way
    given: Given = "ids"
    """What the model reads: an encoder's source as ids, as vectors or as the states that the encoder made of it."""
    companions: tuple[Companion, ...] = ()
    """Which functions of the caller's take part: what they do is in calling.py."""
    gaps: tuple[int, ...] = ()
    """How much padding stands before each prompt: of a decoder's sources, or of an encoder-decoder's prompts."""

    @property
    def options(self) -> dict[str, Any]:
        return self.drawn.options

    @property
    def name(self) -> str:
        return f"{self.drawn.model_type} {self.drawn.seed}"


def call(number: int, scale_embedding: bool | None = None) -> Call:
    """The call of that number; numbers go round the model types. `scale_embedding` overrides what was drawn for it."""
    model_type, seed = MODEL_TYPES[number % 3], FIRST_SEED + number // 3
    random = np.random.default_rng([number, 6])
    form: Form = "decoder" if random.random() < 0.25 else "encoder-decoder"
    way = WAYS[int(random.integers(len(WAYS)))]
    drawn = _with_more_rules(random, draw(model_type, seed, scale_embedding))
    drawn = _as_way(random, drawn, way)
    if form == "decoder":
        return _of_decoder(random, drawn, way)
    gaps: tuple[int, ...] = ()
    if drawn.prompts is not None and random.random() < 0.8 and way not in AHEAD:
        drawn, gaps = _ragged(random, drawn)
    given: Given = "ids" if way in AHEAD else _one_of(random, "ids", "ids", "vectors", "states")
    if given == "vectors":  # nobody knows which tokens the vectors stand for
        drawn = _without(drawn, "encoder_no_repeat_ngram_size", "encoder_repetition_penalty")
    return Call(drawn, form, way, given, _companions(random), gaps)


def _one_of(random: np.random.Generator, *values: Any) -> Any:
    return values[int(random.integers(len(values)))]


def _without(drawn: Draw, *names: str) -> Draw:
    return replace(drawn, options={name: value for name, value in drawn.options.items() if name not in names})


def _with_more_rules(random: np.random.Generator, drawn: Draw) -> Draw:
    def tokens(count: int) -> tuple[int, ...]:
        return tuple(random.integers(3, drawn.config.vocab_size, size=count).tolist())

    bias = {
        tokens(1): round(float(random.uniform(-4, 4)), 1),
        tokens(1): float("-inf"),
        tokens(2): round(float(random.uniform(0, 9)), 1),
    }
    options: dict[str, Any] = {
        "encoder_repetition_penalty": _one_of(random, 1.0, 1.0, 1.0, 1.4, 0.7),
        "sequence_bias": _one_of(random, None, None, bias),
        "exponential_decay_length_penalty": _one_of(
            random, None, None, (int(random.integers(0, 6)), round(float(random.uniform(0.8, 1.6)), 2))
        ),
        "renormalize_logits": _one_of(random, False, False, True),
        "remove_invalid_values": _one_of(random, False, False, True),
        "use_cache": _one_of(random, True, True, True, False),
        "cache_implementation": _one_of(random, None, None, "static", "dynamic"),
    }
    if random.random() < 0.4:
        records = [name for name in RECORDS if random.random() < 0.6]
        options |= {"return_dict_in_generate": True, **dict.fromkeys(records, True)}
    return replace(drawn, options=drawn.options | {name: value for name, value in options.items() if value is not None})


def _as_way(random: np.random.Generator, drawn: Draw, way: Way) -> Draw:
    """The draw with what its way of writing demands, and without options that have no one meaning beside others."""
    options = dict(drawn.options)
    if way == "sampled":
        options |= {"do_sample": True, **_one_of(random, *CUTS), **_one_of(random, *CUTS)}
    if way in AHEAD:
        options |= {"num_beams": 1, "num_return_sequences": 1, "use_cache": True, "cache_implementation": None}
        drawn = replace(drawn, sources=drawn.sources[:1], prompts=drawn.prompts and drawn.prompts[:1])
    if way == "assisted":
        options |= {
            "num_assistant_tokens": int(random.integers(1, 8)),
            "num_assistant_tokens_schedule": _one_of(random, "heuristic", "heuristic_transient", "constant"),
            "assistant_confidence_threshold": _one_of(random, None, 0.3),
        }
    if way == "lookup":
        options |= {
            "prompt_lookup_num_tokens": int(random.integers(1, 5)),
            "max_matching_ngram_size": _one_of(random, None, 1, 3),
        }
    if options["num_beams"] == 1:
        options |= dict.fromkeys(OF_BEAMS)
    else:
        options["remove_invalid_values"] = False  # what is banned would tie, and beams may take any of it
    if options["remove_invalid_values"]:
        options["exponential_decay_length_penalty"] = None  # the releases make certain of an end that was banned
    if options.get("return_dict_in_generate") and options.get("cache_implementation") == "static":
        options["cache_implementation"] = None  # attentions then reach over places not written yet, in either library
    if not options["use_cache"]:
        options["cache_implementation"] = None
    return replace(drawn, options={name: value for name, value in options.items() if value is not None})


def _of_decoder(random: np.random.Generator, drawn: Draw, way: Way) -> Call:
    """A decoder goes on with the sources, padded on the left; it counts them in its lengths."""
    drawn = _without(drawn, "forced_bos_token_id", "decoder_start_token_id")
    sources = [source[:-1] for source in drawn.sources]  # without the end, or what would there be to go on with
    longest = max(map(len, sources))
    options = dict(drawn.options)
    for name in {"max_length", "min_length"} & options.keys():
        options[name] = min(options[name] + longest, POSITIONS)
    pad = drawn.config.pad_token_id
    options["suppress_tokens"] = [*options.get("suppress_tokens", ()), pad]  # as the bias of an encoder-decoder's head
    drawn = replace(drawn, sources=sources, prompts=None, options=options)
    gaps = tuple(longest - len(source) for source in sources)
    return Call(drawn, "decoder", way, "ids", _companions(random), gaps)


def _ragged(random: np.random.Generator, drawn: Draw) -> tuple[Draw, tuple[int, ...]]:
    """Prompts of unequal lengths, the first of them whole."""
    prompts = drawn.prompts or []
    gaps = (0, *(int(random.integers(0, len(prompt))) for prompt in prompts[1:]))
    cut = [[prompt[0], *prompt[1 + gap :]] for prompt, gap in zip(prompts, gaps, strict=True)]
    return replace(drawn, prompts=cut), gaps


def _companions(random: np.random.Generator) -> tuple[Companion, ...]:
    shares: dict[Companion, float] = {"processor": 0.25, "criterion": 0.2, "allowed": 0.2}
    return tuple(companion for companion, share in shares.items() if random.random() < share)


def with_options(made: Call, **options: Any) -> Call:
    """The call with these options, None for an option that is not given."""
    given = {name: value for name, value in (made.options | options).items() if value is not None}
    return replace(made, drawn=replace(made.drawn, options=given))


def without_drafts(made: Call) -> Call:
    """What an assistant and the prompt only make faster."""
    return replace(with_options(made, **dict.fromkeys(OF_DRAFTS)), way="plain") if made.way in AHEAD else made


def with_scores(made: Call) -> Call:
    """The call that tells which outputs of beams are none."""
    return with_options(made, return_dict_in_generate=True, output_scores=True)


def in_release_4(made: Call) -> Call:
    """The call as 4.37 can be asked it: the same ids, without records and other kinds of caches."""
    dropped = (*RECORDS, "return_dict_in_generate", "cache_implementation")
    return with_options(without_drafts(made), **dict.fromkeys(dropped))


def is_answered_by_release_4(made: Call) -> bool:
    """Whether 4.37 carries out all that is asked, and rightly.

    It ends whole batches instead of rows, knows neither masks of prompts nor `min_p` and `top_h`, lets all that is
    allowed be banned, makes certain of a banned end as soon as ends grow, and of several rows of a source lets the
    first alone gain by an encoder repetition penalty. Its sampled beams begin as n equal ones.
    """
    options = made.options
    several = options["num_beams"] > 1 or options["num_return_sequences"] > 1
    unknown = {"exponential_decay_length_penalty", "min_p", "top_h"} & options.keys()
    unknown |= {"criterion", "allowed"} & {*made.companions}
    gains_wrongly = several and options.get("encoder_repetition_penalty", 1) != 1
    begins_otherwise = made.way == "sampled" and options["num_beams"] > 1
    return not (unknown or gains_wrongly or begins_otherwise or (made.gaps and made.form == "encoder-decoder"))
