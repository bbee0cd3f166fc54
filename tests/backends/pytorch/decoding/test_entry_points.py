from __future__ import annotations

import warnings
from typing import Any

import pytest

from bartleby.errors import OptionError, ShapeError
from bartleby.family.config import CONFIG_CLASSES
from bartleby.generation.config import GenerationConfig
from bartleby.generation.constraints import PhrasalConstraint

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch.auto import AutoModelForCausalLM, AutoModelForSeq2SeqLM  # noqa: E402  after the skip
from bartleby.backends.pytorch.decoding.processors import (  # noqa: E402
    HammingDiversityLogitsProcessor,
    LogitsProcessorList,
    MinLengthLogitsProcessor,
)
from bartleby.backends.pytorch.decoding.scorers import BeamSearchScorer, ConstrainedBeamSearchScorer  # noqa: E402
from bartleby.backends.pytorch.decoding.stopping import MaxLengthCriteria, StoppingCriteriaList  # noqa: E402
from bartleby.backends.pytorch.decoding.warpers import TemperatureLogitsWarper, TopKLogitsWarper  # noqa: E402

FIELDS = {
    "vocab_size": 40,
    "max_position_embeddings": 24,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "init_std": 1.0,
}
SOURCES = torch.tensor([[5, 6, 7, 8, 2], [9, 10, 2, 1, 1]])
MASK = (SOURCES != 1).long()
START = 2


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    made = AutoModelForSeq2SeqLM.from_config(CONFIG_CLASSES["bart"](**FIELDS)).eval()
    made.generation_config = GenerationConfig(
        pad_token_id=1, eos_token_id=2, bos_token_id=0, decoder_start_token_id=START, no_repeat_ngram_size=1
    )
    return made


def inputs(model: Any, beams: int = 1) -> dict[str, Any]:
    """What a door of an encoder-decoder takes: a row for each beam."""
    with torch.no_grad():
        encoded = model.get_encoder()(SOURCES, attention_mask=MASK, return_dict=True)
    encoded.last_hidden_state = encoded.last_hidden_state.repeat_interleave(beams, dim=0)
    return {
        "input_ids": torch.full((len(SOURCES) * beams, 1), START),
        "encoder_outputs": encoded,
        "attention_mask": MASK.repeat_interleave(beams, dim=0),
        "stopping_criteria": StoppingCriteriaList([MaxLengthCriteria(max_length=9)]),
    }


def generated(model: Any, **options: Any) -> Any:
    """The same by `generate`, without the rule of the model's own config."""
    return model.generate(SOURCES, attention_mask=MASK, max_length=9, no_repeat_ngram_size=0, **options)


def test_greedy_search_uses_no_rule_but_those_it_is_given(model: Any) -> None:
    assert torch.equal(model.greedy_search(**inputs(model)), generated(model))
    processors = LogitsProcessorList([MinLengthLogitsProcessor(7, eos_token_id=2)])
    assert torch.equal(
        model.greedy_search(**inputs(model), logits_processor=processors), generated(model, min_length=7)
    )


def test_equal_seeds_sample_what_generate_samples(model: Any) -> None:
    warpers = LogitsProcessorList([TemperatureLogitsWarper(0.7), TopKLogitsWarper(5)])
    torch.manual_seed(1)
    found = model.sample(**inputs(model), logits_warper=warpers)
    torch.manual_seed(1)
    assert torch.equal(found, generated(model, do_sample=True, temperature=0.7, top_k=5))


@pytest.mark.parametrize("early_stopping", [True, False, "never"])
def test_beam_search_takes_its_settings_from_the_scorer(model: Any, early_stopping: Any) -> None:
    scorer = BeamSearchScorer(2, 3, "cpu", 0.5, early_stopping, num_beam_hyps_to_keep=2, max_length=9)
    options = {"num_beams": 3, "length_penalty": 0.5, "early_stopping": early_stopping, "num_return_sequences": 2}
    expected = generated(model, **options, output_scores=True, return_dict_in_generate=True)
    found = model.beam_search(**inputs(model, 3), beam_scorer=scorer, output_scores=True, return_dict_in_generate=True)
    assert torch.equal(found.sequences, expected.sequences)
    assert torch.allclose(found.sequences_scores, expected.sequences_scores)
    assert torch.equal(found.beam_indices, expected.beam_indices)


def test_beams_can_be_sampled(model: Any) -> None:
    torch.manual_seed(2)
    found = model.beam_sample(**inputs(model, 3), beam_scorer=BeamSearchScorer(2, 3, "cpu"))
    torch.manual_seed(2)
    assert torch.equal(found, generated(model, num_beams=3, do_sample=True, top_k=0))


def test_groups_are_set_apart_by_the_processor(model: Any) -> None:
    scorer = BeamSearchScorer(2, 4, "cpu", num_beam_groups=2, num_beam_hyps_to_keep=4)
    processors = LogitsProcessorList([HammingDiversityLogitsProcessor(1.5, num_beams=4, num_beam_groups=2)])
    found = model.group_beam_search(inputs(model, 4).pop("input_ids"), scorer, processors, **_without_ids(model, 4))
    expected = generated(model, num_beams=4, num_beam_groups=2, diversity_penalty=1.5, num_return_sequences=4)
    assert torch.equal(found, expected)
    alike = model.group_beam_search(**inputs(model, 4), beam_scorer=scorer)
    assert torch.equal(alike[0], alike[1])  # nothing sets the groups apart


def _without_ids(model: Any, beams: int) -> dict[str, Any]:
    return {name: value for name, value in inputs(model, beams).items() if name != "input_ids"}


def test_constraints_come_with_the_scorer(model: Any) -> None:
    scorer = ConstrainedBeamSearchScorer(2, 4, [PhrasalConstraint([11, 12])], "cpu")
    found = model.constrained_beam_search(**inputs(model, 4), constrained_beam_scorer=scorer)
    assert torch.equal(found, generated(model, num_beams=4, force_words_ids=[[11, 12]]))
    assert all("11, 12" in str(row) for row in found.tolist())


def test_contrastive_search_looks_at_its_best_tokens(model: Any) -> None:
    found = model.contrastive_search(**inputs(model), top_k=4, penalty_alpha=0.6)
    assert torch.equal(found, generated(model, top_k=4, penalty_alpha=0.6))
    assert torch.equal(model.contrastive_search(**inputs(model)), generated(model))


def test_assisted_decoding_writes_what_greedy_search_writes(model: Any) -> None:
    one = {name: value[:1] if isinstance(value, torch.Tensor) else value for name, value in inputs(model).items()}
    one["encoder_outputs"] = (one["encoder_outputs"].last_hidden_state[:1],)
    expected = model.greedy_search(**one)
    assert torch.equal(model.assisted_decoding(**one, assistant_model=model), expected)

    class Lookup:
        num_output_tokens = 2
        max_matching_ngram_size = 2

    assert torch.equal(model.assisted_decoding(**one, candidate_generator=Lookup()), expected)
    with pytest.raises(OptionError, match="candidate_generator"):
        model.assisted_decoding(**one, candidate_generator=object())


def test_a_decoder_alone_goes_on_with_its_ids() -> None:
    torch.manual_seed(0)
    decoder = AutoModelForCausalLM.from_config(CONFIG_CLASSES["bart"](**FIELDS)).eval()
    ids = SOURCES[:, :3]
    criteria = StoppingCriteriaList([MaxLengthCriteria(8)])
    expected = decoder.generate(ids, max_length=8, forced_eos_token_id=None, num_beams=2)
    found = decoder.beam_search(
        ids.repeat_interleave(2, dim=0), BeamSearchScorer(2, 2, "cpu"), stopping_criteria=criteria
    )
    assert torch.equal(found, expected)


def test_the_names_of_later_releases_lead_to_the_same_doors(model: Any) -> None:
    for door in ("greedy_search", "sample", "beam_search", "group_beam_search", "constrained_beam_search"):
        assert getattr(type(model), f"_{door}") is getattr(type(model), door)


def test_everything_asked_for_comes_back(model: Any) -> None:
    given = inputs(model)
    with torch.no_grad():
        given["encoder_outputs"] = model.get_encoder()(
            SOURCES, attention_mask=MASK, output_attentions=True, output_hidden_states=True, return_dict=True
        )
    found = model.greedy_search(
        **given,
        output_attentions=True,
        output_hidden_states=True,
        output_scores=True,
        return_dict_in_generate=True,
    )
    steps = found.sequences.shape[1] - 1
    assert len(found.scores) == len(found.decoder_attentions) == len(found.decoder_hidden_states) == steps
    assert found.encoder_attentions[0] is given["encoder_outputs"].attentions[0]
    assert found.encoder_hidden_states[0] is given["encoder_outputs"].hidden_states[0]


def test_a_streamer_gets_what_is_written_and_no_prompt(model: Any) -> None:
    class Streamer:
        def __init__(self) -> None:
            self.got: list[Any] = []

        def put(self, value: Any) -> None:
            self.got.append(value)

        def end(self) -> None:
            self.got.append("end")

    streamer = Streamer()
    found = model.greedy_search(**inputs(model), streamer=streamer)
    assert streamer.got.pop() == "end"
    assert torch.equal(torch.stack(streamer.got, dim=1), found[:, 1:])


def test_criteria_of_ones_own_stop_the_search(model: Any) -> None:
    asked = []

    def stop(ids: Any, scores: Any, **kwargs: Any) -> bool:
        asked.append(ids.shape)
        return ids.shape[1] >= 4

    given = inputs(model) | {"stopping_criteria": [stop]}
    assert model.greedy_search(**given).shape[1] <= 4
    assert asked[0] == (2, 2)


def test_max_length_may_be_said_in_two_ways(model: Any) -> None:
    given = _without_criteria(model)
    assert torch.equal(model.greedy_search(**given, max_length=6), model.greedy_search(**given)[:, :6])
    with pytest.warns(UserWarning, match="the shorter decides"):
        assert model.greedy_search(**inputs(model), max_length=5).shape[1] <= 5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.greedy_search(**inputs(model), max_length=9)


def _without_criteria(model: Any) -> dict[str, Any]:
    return {name: value for name, value in inputs(model).items() if name != "stopping_criteria"}


def test_without_a_length_the_positions_are_the_limit(model: Any) -> None:
    given = _without_criteria(model)
    assert model.greedy_search(**given, eos_token_id=39).shape[1] == FIELDS["max_position_embeddings"] + 1
    assert model.greedy_search(**given, eos_token_id=39, max_length=99).shape[1] == 25  # and that is told


def test_what_does_not_go_together_is_refused(model: Any) -> None:
    scorer = BeamSearchScorer(2, 3, "cpu")
    with pytest.raises(ShapeError, match="3 rows for each source"):
        model.beam_search(**inputs(model, 2), beam_scorer=scorer)
    unequal = inputs(model, 3)
    unequal["input_ids"] = torch.arange(6)[:, None]
    with pytest.raises(ShapeError, match="equal rows"):
        model.beam_search(**unequal, beam_scorer=scorer)
    with pytest.raises(OptionError, match="beam_scorer"):
        model.beam_search(**inputs(model, 3), beam_scorer="beams")
    with pytest.raises(OptionError, match="synced_gpus"):
        model.greedy_search(**inputs(model), synced_gpus=True)
    with pytest.raises(OptionError, match="colour"):
        model.greedy_search(**inputs(model), colour="green")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_the_reference_librarys_own_objects_are_taken(model: Any) -> None:
    transformers = pytest.importorskip("transformers", reason="needs the reference library: pip install transformers")
    theirs = inputs(model) | {
        "stopping_criteria": transformers.StoppingCriteriaList([transformers.MaxLengthCriteria(max_length=9)]),
        "logits_processor": transformers.LogitsProcessorList(
            [transformers.MinLengthLogitsProcessor(7, eos_token_id=2)]
        ),
    }
    assert torch.equal(model.greedy_search(**theirs), generated(model, min_length=7))
