"""The PyTorch wing against the NumPy definition, and both against the reference library, on models drawn at random.

Differences are relative to the size of what is compared, since weights are large here on purpose.
`BlenderbotSmallDecoder` of transformers 5.23 never multiplies by its `embed_scale`; that switch is compared with
goldens of 4.37.2 instead (goldens/forward.npz, made by make_forward_goldens.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bartleby.family import reference
from bartleby.family.config import CONFIG_CLASSES, PreTrainedConfig
from tests.parity.random_models import (
    MODEL_TYPES,
    VOCABULARY,
    random_batch,
    random_config,
    random_fields,
    random_weights,
    seeded,
)

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip

CLASS_PREFIX = {"bart": "Bart", "blenderbot": "Blenderbot", "blenderbot-small": "BlenderbotSmall"}
GOLDENS = Path(__file__).parent / "goldens" / "forward.npz"
TOLERANCE = 1e-5
DRAWS = range(12)

Arrays = dict[str, npt.NDArray[Any]]


def wing_model(config: PreTrainedConfig, suffix: str, weights: Arrays) -> Any:
    model = getattr(models, CLASS_PREFIX[config.model_type] + suffix)(config).eval()
    names = {f"model.{name}" if suffix == "Model" else name: name for name in model.state_dict()}
    model.load_state_dict({own: torch.from_numpy(weights[name].copy()) for name, own in names.items()})
    return model


def assert_close(ours: Any, theirs: Any) -> None:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE * max(1.0, float(np.abs(theirs).max())))


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("draw", DRAWS)
def test_the_wing_equals_the_definition(model_type: str, draw: int) -> None:
    random = seeded("forward", model_type, draw)
    config = random_config(random, model_type)
    weights = random_weights(random, config)
    (ids, mask), (target, target_mask) = random_batch(random), random_batch(random, longest=7)
    states = reference.encode(weights, config, ids, mask)
    hidden = reference.decode(weights, config, target, states, mask, target_mask)
    model = wing_model(config, "ForConditionalGeneration", weights)
    tensors = [torch.from_numpy(array) for array in (ids, mask, target, target_mask)]
    with torch.inference_mode():
        fused = model(*tensors)
        shown = model(*tensors, output_attentions=True)
    assert_close(fused.encoder_last_hidden_state, states)
    assert_close(fused.logits, reference.lm_logits(weights, hidden))
    assert_close(shown.logits, fused.logits)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("draw", DRAWS)
def test_a_cache_changes_nothing(model_type: str, draw: int) -> None:
    random = seeded("cache", model_type, draw)
    config = random_config(random, model_type)
    model = wing_model(config, "ForConditionalGeneration", random_weights(random, config))
    ids, mask = (torch.from_numpy(array) for array in random_batch(random))
    target = torch.from_numpy(random.integers(4, VOCABULARY, size=(3, 7)))
    with torch.inference_mode():
        whole = model(ids, mask, target, use_cache=False).logits
        first = model(ids, mask, target[:, :3], use_cache=True)
        cache, source = first.past_key_values, (first.encoder_last_hidden_state,)
        steps = [first.logits]
        for start, end in ((3, 4), (4, 7)):
            new = target[:, start:end]
            step = model(None, mask, new, encoder_outputs=source, past_key_values=cache, use_cache=True)
            steps.append(step.logits)
    assert_close(torch.cat(steps, dim=1), whole)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_beams_that_share_a_source_get_what_copies_of_it_would_give(model_type: str) -> None:
    random = seeded("beams", model_type)
    config = random_config(random, model_type)
    model = wing_model(config, "ForConditionalGeneration", random_weights(random, config))
    ids, mask = (torch.from_numpy(array) for array in random_batch(random))
    target = torch.from_numpy(random.integers(4, VOCABULARY, size=(3 * 4, 5)))
    with torch.inference_mode():
        states = model.get_encoder()(ids, mask).last_hidden_state
        decoder = model.get_decoder()
        shared = decoder(target, None, states, mask).last_hidden_state
        copied = decoder(target, None, states.repeat_interleave(4, 0), mask.repeat_interleave(4, 0)).last_hidden_state
    assert_close(shared, copied)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("draw", DRAWS)
def test_both_equal_the_reference_library(model_type: str, draw: int) -> None:
    transformers = pytest.importorskip(
        "transformers", reason="the reference library is not installed: pip install transformers==5.23.0"
    )
    random = seeded("transformers", model_type, draw)
    fields = random_fields(random)
    if model_type == "blenderbot-small":
        fields["scale_embedding"] = False  # wrong in 5.23, see the top
    config = CONFIG_CLASSES[model_type](**fields)
    weights = random_weights(random, config)
    model = wing_model(config, "ForConditionalGeneration", weights)
    prefix = CLASS_PREFIX[model_type]
    their_config = getattr(transformers, f"{prefix}Config")(**fields)
    theirs = getattr(transformers, f"{prefix}ForConditionalGeneration")(their_config).eval()
    theirs.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
    (ids, mask), (target, target_mask) = random_batch(random), random_batch(random, longest=7)
    tensors = [torch.from_numpy(array) for array in (ids, mask, target, target_mask)]
    labels = tensors[2].masked_fill(tensors[3] == 0, -100)
    with torch.inference_mode():
        ours_out, theirs_out = model(*tensors, labels=labels), theirs(*tensors, labels=labels)
    real = target_mask.astype(bool)  # what stands at a pad is nobody's business
    assert_close(ours_out.logits[real], theirs_out.logits[real])
    assert_close(ours_out.loss, theirs_out.loss)
    states = reference.encode(weights, config, ids, mask)
    hidden = reference.decode(weights, config, target, states, mask, target_mask)
    assert_close(reference.lm_logits(weights, hidden)[real], theirs_out.logits[real])


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_the_causal_lm_equals_definition_and_reference_library(model_type: str) -> None:
    transformers = pytest.importorskip(
        "transformers", reason="the reference library is not installed: pip install transformers==5.23.0"
    )
    random = seeded("causal", model_type)
    fields = random_fields(random)
    if model_type == "blenderbot-small":
        fields["scale_embedding"] = False  # wrong in 5.23, see the top
    config = CONFIG_CLASSES[model_type](**fields)
    weights = random_weights(random, config, "causal_lm")
    model = wing_model(config, "ForCausalLM", weights)
    prefix = CLASS_PREFIX[model_type]
    theirs = getattr(transformers, f"{prefix}ForCausalLM")(getattr(transformers, f"{prefix}Config")(**fields)).eval()
    theirs.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
    ids, _ = random_batch(random)
    states = random.standard_normal((3, 4, config.d_model)).astype(np.float32)
    given, tensor = torch.from_numpy(states), torch.from_numpy(ids)
    with torch.inference_mode():
        for source in (None, given):
            inputs = {"encoder_hidden_states": source, "labels": tensor, "use_cache": False}
            ours_out, theirs_out = model(tensor, **inputs), theirs(tensor, **inputs)
            assert_close(ours_out.logits, theirs_out.logits)
            assert_close(ours_out.loss, theirs_out.loss)
            hidden = reference.decode(weights, config, ids, None if source is None else states)
            assert_close(reference.lm_logits(weights, hidden), theirs_out.logits)


@pytest.mark.parametrize("draw", range(4))
def test_classification_and_question_answering_equal_definition_and_reference_library(draw: int) -> None:
    transformers = pytest.importorskip(
        "transformers", reason="the reference library is not installed: pip install transformers==5.23.0"
    )
    random = seeded("heads", draw)
    fields = random_fields(random)
    ids, mask = random_batch(random)
    tensors = torch.from_numpy(ids), torch.from_numpy(mask)
    taught: dict[str, dict[str, Any]] = {
        "SequenceClassification": {"labels": torch.tensor([0, 2, 1])},
        "QuestionAnswering": {"start_positions": torch.tensor([0, 2, 99]), "end_positions": torch.tensor([3, 2, 99])},
    }
    for suffix, targets in taught.items():
        head: Any = "sequence_classification" if "labels" in targets else "question_answering"
        config = CONFIG_CLASSES["bart"](**fields)
        weights = random_weights(random, config, head)
        model = wing_model(config, f"For{suffix}", weights)
        theirs = getattr(transformers, f"BartFor{suffix}")(transformers.BartConfig(**fields)).eval()
        theirs.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
        with torch.inference_mode():
            ours_out, theirs_out = model(*tensors, **targets), theirs(*tensors, **targets)
        assert_close(ours_out.loss, theirs_out.loss)
        if head == "sequence_classification":
            assert_close(ours_out.logits, theirs_out.logits)
            assert_close(reference.classify(weights, config, ids, mask), theirs_out.logits)
        else:
            starts, ends = reference.spans(weights, config, ids, mask)
            real = mask.astype(bool)
            for ours, theirs_part, defined in (
                (ours_out.start_logits, theirs_out.start_logits, starts),
                (ours_out.end_logits, theirs_out.end_logits, ends),
            ):
                assert_close(ours[real], theirs_part[real])
                assert_close(defined[real], theirs_part[real])


def test_the_small_model_scales_its_decoder_embeddings_as_the_documented_release_does() -> None:
    goldens = np.load(GOLDENS)
    assert str(goldens["versions"]).startswith("transformers 4.37.2")
    for draw in range(int(goldens["draws"])):
        random = seeded("goldens", draw)
        fields = {**random_fields(random), "scale_embedding": True, "tie_word_embeddings": True}
        config = CONFIG_CLASSES["blenderbot-small"](**fields)
        weights = random_weights(random, config)
        (ids, mask), (target, _) = random_batch(random), random_batch(random, longest=7)
        model = wing_model(config, "ForConditionalGeneration", weights)
        with torch.inference_mode():
            logits = model(*(torch.from_numpy(array) for array in (ids, mask, target))).logits
        states = reference.encode(weights, config, ids, mask)
        defined = reference.lm_logits(weights, reference.decode(weights, config, target, states, mask))
        assert_close(logits, goldens[f"logits_{draw}"])
        assert_close(defined, goldens[f"logits_{draw}"])
