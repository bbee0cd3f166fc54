import numpy as np
import torch

from bartleby.training.objectives.writing import StepCounter, Writer, sources
from tests.training.objectives.tiny_models import batch_of, tiny_bart

PAIRS = [([5, 6, 7, 2], [8, 9, 2]), ([5, 2], [7, 2]), ([9, 9, 4, 4, 2], [6, 5, 2]), ([5, 2], [6, 6, 6, 6, 2])]


def test_answers_are_what_the_model_generates() -> None:
    model, batch = tiny_bart(tie_word_embeddings=False, init_std=0.8), batch_of(PAIRS)
    writer = Writer(model, tokens=8)
    model.generation_config.forced_eos_token_id = None  # what is cut off has no end that the model chose
    writer.write(model, batch, at_once=2)
    for (source, _), answer in zip(PAIRS, writer.answers(batch), strict=True):
        generated = model.generate(torch.tensor([source]), max_new_tokens=8, num_beams=1)
        assert isinstance(generated, torch.Tensor)
        assert answer.tolist() == generated[0, 1:].tolist()
    assert len({answer.tobytes() for answer in writer.answers(batch)}) > 1  # the source matters


def test_a_part_knows_its_rows() -> None:
    model, batch = tiny_bart(), batch_of(PAIRS)
    writer = Writer(model, tokens=8)
    writer.write(model, batch, at_once=4)
    answers = writer.answers(batch)
    assert [each.tolist() for each in writer.answers(batch.part(1, 2))] == [each.tolist() for each in answers[1::2]]


def test_answers_become_labels() -> None:
    model, batch = tiny_bart(), batch_of(PAIRS)
    writer = Writer(model, tokens=8)
    writer.write(model, batch, at_once=4)
    taught = writer.taught(batch)
    for answer, labels, inputs in zip(
        writer.answers(batch), taught.arrays["labels"], taught.arrays["decoder_input_ids"], strict=True
    ):
        assert labels[: len(answer)].tolist() == answer.tolist()
        assert (labels[len(answer) :] == -100).all()
        assert inputs[: len(answer)].tolist() == [2, *answer[:-1].tolist()]
    assert np.array_equal(taught.arrays["input_ids"], batch.arrays["input_ids"])


def test_writing_leaves_the_training_around_it_as_it_was() -> None:
    model = tiny_bart(dropout=0.5).train()
    model.model.encoder.eval()  # someone's choice
    batch = batch_of(PAIRS)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    Writer(model, tokens=8).write(model, batch, at_once=4)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.model.decoder.training
    assert not model.model.encoder.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


def test_weights_still_learn_in_halves_after_writing() -> None:
    model, batch = tiny_bart().train(), batch_of(PAIRS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        Writer(model, tokens=8).write(model, batch, at_once=4)
        ids = torch.from_numpy(batch.arrays["input_ids"])
        model(ids, labels=ids).loss.backward()
    assert model.model.decoder.layers[0].fc1.weight.grad is not None


def test_no_more_is_written_than_there_are_positions() -> None:
    model, batch = tiny_bart(max_position_embeddings=6), batch_of(PAIRS)
    writer = Writer(model, tokens=50)
    writer.write(model, batch, at_once=4)
    assert max(map(len, writer.answers(batch))) <= 5
    model(**{name: torch.from_numpy(array) for name, array in writer.taught(batch).arrays.items()})


def test_batches_are_counted_not_parts() -> None:
    counter = StepCounter().train()
    for whole in (batch_of(PAIRS), batch_of(PAIRS), batch_of(PAIRS[:1])):
        assert [counter.begins(whole) for _ in range(3)] == [True, False, False]
    assert int(counter.steps) == 3
    assert counter.eval().begins(batch_of(PAIRS))
    assert int(counter.steps) == 3
    later = StepCounter()
    later.load_state_dict(counter.state_dict())
    assert int(later.steps) == 3


def test_sources_are_without_padding() -> None:
    assert [row.tolist() for row in sources(batch_of(PAIRS))] == [source for source, _ in PAIRS]
