"""The Flax and TensorFlow examples of the API documentation, run with small checkpoints of random weights.

What they answer is noise; only its form is tested. One page lost the code of its examples: those are told again here.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.hub import random_hub
from tests.hub.absent import or_absent
from tests.hub.documented import SEEDS, Documented, read_examples, run

pytestmark = pytest.mark.usefixtures("random_checkpoints")

SMALL, CNN, MNLI = "facebook/blenderbot_small-90M", "facebook/bart-large-cnn", "facebook/bart-large-mnli"
TEXT = "My friends are cool but they eat too many carbs."


@pytest.mark.parametrize("example", or_absent(read_examples("flax", "tensorflow"), SEEDS, name="place"))
def test_a_documented_example_runs(example: Documented) -> None:
    pytest.importorskip(example.framework)
    for wanted, got in run(example):
        assert bool(got) == bool(wanted) or not wanted
        if wanted.startswith("Human:"):
            assert wanted.split() == got.split()


def test_there_are_as_many_as_there_should_be(shared) -> None:
    assert (len(read_examples("flax")), len(read_examples("tensorflow"))) == (6, 2)


def test_a_summary_in_flax() -> None:
    pytest.importorskip("flax")
    from bartleby import AutoTokenizer, FlaxBartForConditionalGeneration

    model = FlaxBartForConditionalGeneration.from_pretrained(CNN)
    tokenizer = AutoTokenizer.from_pretrained(CNN)
    inputs = tokenizer([TEXT], max_length=1024, return_tensors="np")
    summary_ids = model.generate(inputs["input_ids"]).sequences
    assert summary_ids.shape == (1, model.generation_config.max_length)
    assert isinstance(tokenizer.batch_decode(summary_ids, skip_special_tokens=True)[0], str)


def test_a_filled_mask_in_flax() -> None:
    jax = pytest.importorskip("jax")
    pytest.importorskip("flax")
    from bartleby import AutoTokenizer, FlaxBartForConditionalGeneration

    name = "facebook/bart-large"
    model, tokenizer = FlaxBartForConditionalGeneration.from_pretrained(name), AutoTokenizer.from_pretrained(name)
    input_ids = tokenizer(["My friends are <mask> but they eat too many carbs."], return_tensors="jax")["input_ids"]
    logits = model(input_ids).logits
    place = (input_ids[0] == tokenizer.mask_token_id).nonzero()[0].item()
    values, predictions = jax.lax.top_k(jax.nn.softmax(logits[0, place], axis=0), k=1)
    assert values.shape == predictions.shape == (1,)
    assert len(tokenizer.decode(predictions).split()) <= 1


def test_encoding_and_decoding_of_the_small_model_in_flax() -> None:
    pytest.importorskip("flax")
    import jax.numpy as jnp

    from bartleby import AutoTokenizer, FlaxBlenderbotSmallForConditionalGeneration

    model = FlaxBlenderbotSmallForConditionalGeneration.from_pretrained(SMALL)
    tokenizer = AutoTokenizer.from_pretrained(SMALL)
    inputs = tokenizer(TEXT, max_length=1024, return_tensors="np")
    encoder_outputs = model.encode(**inputs)
    start = jnp.ones((inputs.input_ids.shape[0], 1), dtype="i4") * model.config.decoder_start_token_id
    outputs = model.decode(start, encoder_outputs, deterministic=True)
    assert outputs.logits.shape == (1, 1, model.config.vocab_size)


def test_features_and_labels_in_tensorflow() -> None:
    tf = pytest.importorskip("tensorflow")
    from bartleby import AutoTokenizer, TFBartForSequenceClassification, TFBartModel

    tokenizer = AutoTokenizer.from_pretrained("facebook/bart-large")
    inputs = tokenizer("Hello, my dog is cute", return_tensors="tf")
    outputs = TFBartModel.from_pretrained("facebook/bart-large")(inputs)
    assert outputs.last_hidden_state.shape == (1, 8, random_hub.WIDTH)
    model = TFBartForSequenceClassification.from_pretrained(MNLI)
    found = model(**inputs, labels=tf.constant([1]))
    assert found.logits.shape == (1, 3)
    assert np.isfinite(found.loss).all()


def test_a_reply_of_the_small_model_in_tensorflow() -> None:
    pytest.importorskip("tensorflow")
    from bartleby import AutoTokenizer, TFAutoModelForSeq2SeqLM

    tokenizer, model = AutoTokenizer.from_pretrained(SMALL), TFAutoModelForSeq2SeqLM.from_pretrained(SMALL)
    reply_ids = model.generate(**tokenizer([TEXT], return_tensors="tf"))
    assert reply_ids.shape[0] == 1
    assert isinstance(tokenizer.batch_decode(reply_ids, skip_special_tokens=True)[0], str)
