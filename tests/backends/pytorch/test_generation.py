from typing import Any

import numpy as np
import pytest

from bartleby.errors import LengthError, OptionError, ShapeError, VocabularyError
from bartleby.family.config import CONFIG_CLASSES
from bartleby.generation.config import GenerationConfig
from bartleby.generation.streaming import TextIteratorStreamer
from tests.parity.random_models import MODEL_TYPES, POSITIONS, VOCABULARY, random_config, random_weights

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.auto import AutoModelForCausalLM, AutoModelForSeq2SeqLM  # noqa: E402  after the skip

SOURCES = [[5, 6, 7, 8, 9, 2], [10, 2], [11, 12, 13, 2]]
BEAMS = {"num_beams": 3, "no_repeat_ngram_size": 2}
ways = pytest.mark.parametrize(
    "options", [{}, BEAMS, BEAMS | {"num_return_sequences": 2}], ids=["greedy", "beams", "2"]
)
types = pytest.mark.parametrize("model_type", MODEL_TYPES)


def model_of(model_type: str, head: str = "conditional_generation", seed: int = 0) -> Any:
    """In float64, so that a change of kernels changes no choice."""
    random = np.random.default_rng(seed)
    config = random_config(random, model_type)
    weights = random_weights(random, config)
    maker = AutoModelForCausalLM if head == "causal_lm" else AutoModelForSeq2SeqLM
    model = maker.from_config(config).double().eval()
    model.load_state_dict({name: torch.from_numpy(weights[name]) for name in model.state_dict()})
    model.generation_config = GenerationConfig(
        max_length=10,
        **{name: getattr(config, name) for name in ("pad_token_id", "bos_token_id", "decoder_start_token_id")},
        eos_token_id=2,
    )
    return model


def batch(model: Any, sources: list[list[int]] = SOURCES, longest: int = 0, left: bool = False) -> dict[str, Any]:
    longest = longest or max(map(len, sources))
    rows = [(source, longest - len(source)) for source in sources]
    pad = model.config.pad_token_id
    ids = [[pad] * gap + source if left else source + [pad] * gap for source, gap in rows]
    mask = [[0] * gap + [1] * len(source) if left else [1] * len(source) + [0] * gap for source, gap in rows]
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}


def text(row: Any, pad: int) -> list[int]:
    ids = row.tolist()
    while len(ids) > 1 and ids[-1] == pad:
        ids.pop()
    return ids


@types
@ways
def test_padding_and_neighbours_change_nothing(model_type: str, options: dict[str, Any]) -> None:
    model = model_of(model_type)
    pad, copies = model.config.pad_token_id, options.get("num_return_sequences", 1)
    together = model.generate(**batch(model), **options)
    over_padded = model.generate(**batch(model, longest=20), **options)
    assert torch.equal(together, over_padded)
    for place, source in enumerate(SOURCES):
        alone = model.generate(torch.tensor([source]), **options)
        expected = together[place * copies : (place + 1) * copies]
        assert [text(row, pad) for row in alone] == [text(row, pad) for row in expected]


@types
@ways
def test_neither_the_cache_nor_the_dtype_of_ids_changes_what_is_written(
    model_type: str, options: dict[str, Any]
) -> None:
    model = model_of(model_type)
    inputs = batch(model)
    expected = model.generate(**inputs, **options)
    assert expected.dtype == torch.long
    assert torch.equal(model.generate(**inputs, **options, use_cache=False), expected)
    assert torch.equal(model.generate(inputs["input_ids"].int(), **options), expected)


@types
def test_the_encoder_may_have_run_before(model_type: str) -> None:
    model = model_of(model_type)
    inputs = batch(model)
    expected, states = model.generate(**inputs, **BEAMS), model.get_encoder()(**inputs)
    mask = inputs["attention_mask"]
    assert torch.equal(model.generate(encoder_outputs=states, attention_mask=mask, **BEAMS), expected)
    assert torch.equal(model.generate(encoder_outputs=tuple(states.values()), attention_mask=mask, **BEAMS), expected)
    embeds = model.get_encoder().embed_tokens(inputs["input_ids"])
    assert torch.equal(model.generate(inputs_embeds=embeds, attention_mask=mask, **BEAMS), expected)
    asked = {"encoder_no_repeat_ngram_size": 2}
    with pytest.raises(OptionError, match=r"`encoder_no_repeat_ngram_size` .* read the ids.*Pass `input_ids` as well"):
        model.generate(encoder_outputs=states, **asked)
    both = model.generate(inputs["input_ids"], encoder_outputs=states, attention_mask=mask, **asked)
    assert torch.equal(both, model.generate(**inputs, **asked))


@types
@ways
def test_outputs_go_on_from_a_prompt(model_type: str, options: dict[str, Any]) -> None:
    model = model_of(model_type)
    start, copies = model.config.decoder_start_token_id, options.get("num_return_sequences", 1)
    prompts = torch.tensor([[7, 8], [9, 9], [5, 6]])
    output = model.generate(**batch(model), decoder_input_ids=prompts, **options)
    assert output[:, 0].tolist() == [start] * 3 * copies
    assert output[:, 1:3].tolist() == prompts.repeat_interleave(copies, dim=0).tolist()
    whole = torch.cat([torch.full((3, 1), start), prompts], dim=1)
    assert torch.equal(model.generate(**batch(model), decoder_input_ids=whole, **options), output)


@types
def test_padding_before_a_prompt_counts_for_nothing(model_type: str) -> None:
    """Whatever stands where the mask hides it, though positions count it."""
    model = model_of(model_type)
    mask = torch.tensor([[1, 0, 1], [1, 1, 1], [1, 0, 1]])
    asked = {"decoder_attention_mask": mask, "no_repeat_ngram_size": 1, "max_new_tokens": 4}
    start = model.config.decoder_start_token_id
    one, other = (
        model.generate(**batch(model), decoder_input_ids=torch.tensor([[start, x, 8]] * 3), **asked) for x in (9, 30)
    )
    assert one[[0, 2], 3:].tolist() == other[[0, 2], 3:].tolist()


@types
@ways
def test_padding_behind_a_prompt_counts_for_nothing_either(model_type: str, options: dict[str, Any]) -> None:
    model = model_of(model_type)
    pad, copies = model.config.pad_token_id, options.get("num_return_sequences", 1)
    prompts, mask = torch.tensor([[7, 8, 9], [9, 30, 30], [5, 6, 30]]), torch.tensor([[1, 1, 1], [1, 0, 0], [1, 1, 0]])
    output = model.generate(
        **batch(model), decoder_input_ids=prompts, decoder_attention_mask=mask, max_new_tokens=5, **options
    )
    for place, source in enumerate(SOURCES):
        prompt = prompts[place, None, : int(mask[place].sum())]
        alone = model.generate(torch.tensor([source]), decoder_input_ids=prompt, max_new_tokens=5, **options)
        expected = output[place * copies : (place + 1) * copies]
        assert [text(row, pad) for row in alone] == [text(row, pad) for row in expected]
    with pytest.raises(OptionError, match="different lengths are written apart"):
        model.generate(
            **batch(model), decoder_input_ids=prompts, decoder_attention_mask=mask, return_dict_in_generate=True
        )


@types
@ways
def test_a_decoder_alone_goes_on_with_its_input(model_type: str, options: dict[str, Any]) -> None:
    model = model_of(model_type, "causal_lm")
    pad, copies = model.config.pad_token_id, options.get("num_return_sequences", 1)
    inputs = batch(model, left=True)
    together = model.generate(**inputs, **options, max_new_tokens=6)
    longest = inputs["input_ids"].shape[1]
    assert torch.equal(together[::copies, :longest], inputs["input_ids"])
    for place, source in enumerate(SOURCES):
        gap = longest - len(source)
        alone = model.generate(
            inputs["input_ids"][place, None], attention_mask=inputs["attention_mask"][place, None], **options,
            max_new_tokens=6,
        )  # fmt: skip
        expected = together[place * copies : (place + 1) * copies]
        assert [text(row, pad)[gap:] for row in alone] == [text(row, pad)[gap:] for row in expected]


def test_a_decoder_alone_starts_with_bos_where_it_is_given_nothing() -> None:
    model = model_of("bart", "causal_lm")
    assert model.generate(max_new_tokens=3)[0, 0] == model.config.bos_token_id
    with pytest.raises(OptionError, match="`encoder_outputs` is not a decoding option"):
        model.generate(encoder_outputs=torch.zeros(1, 2, 16))
    padded, asked = batch(model), {"max_new_tokens": 4}
    output = model.generate(**padded, **asked)
    for place, source in enumerate(SOURCES):
        alone = model.generate(torch.tensor([source]), **asked)[0]
        assert text(output[place], model.config.pad_token_id) == text(alone, model.config.pad_token_id)


@types
def test_the_same_seed_draws_the_same_samples(model_type: str) -> None:
    model = model_of(model_type)

    def sample(seed: int, **options: Any) -> Any:
        torch.manual_seed(seed)
        return model.generate(**batch(model), do_sample=True, **options)

    assert torch.equal(sample(1), sample(1))
    assert not torch.equal(sample(1), sample(2))
    many = sample(1, num_return_sequences=4)
    assert many.shape[0] == 12
    assert len({tuple(row) for row in many[:4].tolist()}) > 1
    assert sample(3, num_beams=3, num_return_sequences=2).shape[0] == 6
    assert torch.equal(sample(1, top_k=1), model.generate(**batch(model)))


def test_options_come_from_the_caller_then_the_given_config_then_the_model() -> None:
    model = model_of("bart")
    assert model.generate(**batch(model)).shape[1] <= 10
    config = GenerationConfig(max_length=6, min_length=6)
    assert model.generate(**batch(model), generation_config=config).shape[1] == 6
    longer = model.generate(**batch(model), generation_config=config, max_length=8, min_length=8)
    assert longer.shape[1] == 8
    assert (config.max_length, config.eos_token_id) == (6, None)  # the caller's is left as it was


def test_a_length_that_nobody_set_is_told(caplog: pytest.LogCaptureFixture) -> None:
    model = model_of("bart")
    model.generation_config.max_length = 20
    model.generate(**batch(model))
    assert "Outputs end at 20 tokens, the default" in caplog.text
    caplog.clear()
    for set_by_caller in ({"max_length": 20}, {"max_new_tokens": 5}):
        model.generate(**batch(model), **set_by_caller)
    assert caplog.text == ""


def test_options_of_a_way_that_is_not_taken_are_warned_of() -> None:
    model = model_of("bart")
    with pytest.warns(UserWarning, match="`num_assistant_tokens` has no effect without `assistant_model`"):
        model.generate(**batch(model), num_assistant_tokens=3)
    with pytest.warns(UserWarning, match='`compile_config` has no effect without `cache_implementation="static"`'):
        model.generate(**batch(model), compile_config={"backend": "eager"})


def test_a_fresh_model_is_decoded_as_its_configuration_says() -> None:
    config = CONFIG_CLASSES["blenderbot"](
        vocab_size=40, d_model=8, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=8, decoder_ffn_dim=8,
        encoder_attention_heads=1, decoder_attention_heads=1, num_beams=4, max_length=9,
    )  # fmt: skip
    options = AutoModelForSeq2SeqLM.from_config(config).generation_config
    assert (options.num_beams, options.max_length, options.encoder_no_repeat_ngram_size) == (4, 9, 3)
    assert (options.decoder_start_token_id, options.eos_token_id, options.pad_token_id) == (1, 2, 0)


def test_what_cannot_be_read_is_refused_before_anything_is_computed() -> None:
    model = model_of("bart")
    model.model.encoder = model.model.decoder = None  # whatever ran would fail
    ids = torch.tensor([[5, 6, 2]])
    with pytest.raises(
        VocabularyError, match=f"from 0 to {VOCABULARY - 1}, .*but holds {VOCABULARY}. Use the tokenizer"
    ):
        model.generate(torch.tensor([[5, VOCABULARY]]))
    with pytest.raises(VocabularyError, match=r"`decoder_input_ids` .* holds -1"):
        model.generate(ids, decoder_input_ids=torch.tensor([[-1]]))
    with pytest.raises(
        ShapeError, match=r"`input_ids` must be ids of shape \(batch, length\), but is torch.int64 \(3,\)"
    ):
        model.generate(torch.tensor([5, 6, 2]))
    with pytest.raises(
        ShapeError, match="`input_ids`, `inputs_embeds` or `encoder_outputs` must be given, but none is"
    ):
        model.generate()
    with pytest.raises(ShapeError, match=r"`attention_mask` must have the shape .* \(1, 3\), but has \(1, 2\)"):
        model.generate(ids, attention_mask=torch.ones(1, 2))
    with pytest.raises(ShapeError, match="a row for each of 1 sources, but has 2"):
        model.generate(ids, decoder_input_ids=torch.tensor([[5], [6]]))
    with pytest.raises(ShapeError, match="both given"):
        model.generate(ids, inputs_embeds=torch.zeros(1, 3, 16))


@ways
def test_outputs_end_where_the_positions_do(options: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    model = model_of("bart")
    expected = model.generate(**batch(model), max_length=POSITIONS + 1, **options)
    for length in ({"max_length": 1000}, {"max_new_tokens": 1000}):
        assert torch.equal(model.generate(**batch(model), **length, **options), expected)
        assert f"but end at {POSITIONS + 1}, as far as the positions" in caplog.text
        caplog.clear()
    assert model.generate(**batch(model), penalty_alpha=0.5, top_k=2, max_length=99).shape[1] <= POSITIONS


def test_lengths_are_checked_before_anything_is_written() -> None:
    model = model_of("bart")
    with pytest.raises(LengthError, match=f"at most {POSITIONS + 1} tokens long.*would have at least 35"):
        model.generate(torch.tensor([[5, 2]]), max_length=40, min_length=35)
    with pytest.raises(LengthError, match="Shorten the prompt"):
        model.generate(torch.tensor([[5, 2]]), decoder_input_ids=torch.full((1, POSITIONS + 1), 5), max_length=99)
    with pytest.raises(LengthError, match=f"has {POSITIONS + 1} tokens, but this model has {POSITIONS} positions"):
        model.generate(torch.full((1, POSITIONS + 1), 5))
    with pytest.raises(OptionError, match="`max_length` must be more than the 3 tokens of the decoder's prompt"):
        model.generate(torch.tensor([[5, 2]]), decoder_input_ids=torch.tensor([[5, 6]]), max_length=3)
    longest = model.generate(torch.full((1, POSITIONS), 5), min_length=POSITIONS + 1, max_length=POSITIONS + 1)
    assert longest.shape == (1, POSITIONS + 1)


def test_options_and_arguments_that_cannot_be_are_refused_with_a_reason() -> None:
    model, ids = model_of("bart"), torch.tensor([[5, 6, 2]])
    with pytest.raises(OptionError, match=r"`num_beam` is not a decoding option\. Did you mean `num_beams`"):
        model.generate(ids, num_beam=2)
    with pytest.raises(OptionError, match="`streamer` must be None with beams"):
        model.generate(ids, num_beams=4, streamer=TextIteratorStreamer(None))
    with pytest.raises(
        OptionError, match=r"2 faults:\n.*`synced_gpus` must be None.*\n.*`custom_generate` must be None"
    ):
        model.generate(ids, synced_gpus=True, custom_generate="someone/loop")
    with pytest.raises(OptionError, match="two names of one thing"):
        model.generate(ids, input_ids=ids)
    with pytest.raises(OptionError, match=f"`suppress_tokens` must hold token ids from 0 to {VOCABULARY - 1}"):
        model.generate(ids, suppress_tokens=[VOCABULARY])
    assert model.generate(ids, logits_processor=[]).shape[0] == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"logits_processor": [5]}, "`logits_processor` must be a list of functions or objects to be called"),
        ({"logits_processor": max}, "`logits_processor` must be a list .* but is <built-in function max>"),
        ({"stopping_criteria": ["soon"]}, "`stopping_criteria` must be a list .* but is \\['soon'\\]"),
        ({"prefix_allowed_tokens_fn": 5}, "`prefix_allowed_tokens_fn` must be a function, but is a int"),
        ({"assistant_model": "bart"}, "`assistant_model` must be a model that writes, but is a str"),
        ({"generation_config": 5}, "`generation_config` must be a GenerationConfig, but is 5"),
    ],
)
def test_who_cannot_take_part_is_refused(given: dict[str, Any], said: str) -> None:
    model = model_of("bart")
    with pytest.raises(OptionError, match=said):
        model.generate(**batch(model), **given)


def test_without_a_token_to_pad_with_the_end_token_pads() -> None:
    model = model_of("bart")
    model.final_logits_bias[0, 2] += 3
    model.generation_config.pad_token_id = None
    rows = model.generate(**batch(model))
    lengths = {len(text(row, 2)) for row in rows}
    assert len(lengths) > 1
    shortest = min(rows, key=lambda row: len(text(row, 2)))
    assert shortest[-2:].tolist() == [2, 2]


def test_a_batch_to_train_on_can_be_written_from() -> None:
    model = model_of("bart")
    inputs = batch(model)
    assert model.generate(**inputs, labels=inputs["input_ids"]).tolist() == model.generate(**inputs).tolist()


def test_options_may_be_set_on_the_config_as_in_4_37() -> None:
    model = model_of("bart")
    expected = model.generate(**batch(model), max_length=5, num_beams=3).tolist()
    model.config.max_length, model.config.num_beams = 5, 3
    with pytest.warns(UserWarning, match="set on `model.config`"):
        assert model.generate(**batch(model)).tolist() == expected


def test_options_of_another_library_are_read() -> None:
    class Foreign:
        def to_dict(self) -> dict[str, Any]:
            return {"max_length": 6, "num_beams": 2}

    model = model_of("bart")
    expected = model.generate(**batch(model), max_length=6, num_beams=2).tolist()
    assert model.generate(**batch(model), generation_config=Foreign()).tolist() == expected
    model.generation_config = Foreign()
    assert isinstance(model.generation_config, GenerationConfig)
    assert model.generation_config.num_beams == 2
