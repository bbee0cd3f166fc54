from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.checkpoints.conversion import (
    ConversionReport,
    Move,
    Original,
    built_config,
    left_out,
    part,
    recast,
    renamed,
    table_faults,
    tied_copy,
    zero_bias,
)
from bartleby.checkpoints.tensors import StoredTensor, held
from bartleby.errors import CheckpointError
from bartleby.family.config import BartConfig
from bartleby.family.parameters import Head, parameter_table

NUMBERS = np.arange(12, dtype=np.float32).reshape(4, 3)
CONFIG = BartConfig(
    vocab_size=9,
    d_model=4,
    encoder_layers=1,
    decoder_layers=1,
    encoder_attention_heads=1,
    decoder_attention_heads=1,
    encoder_ffn_dim=5,
    decoder_ffn_dim=5,
)


def all_moves() -> list[Move]:
    table = [each for each in parameter_table(CONFIG) if each.tied_to is None]
    return [renamed(f"x.{each.name}", each.name, held(np.zeros(each.shape, np.float32))) for each in table]


def test_a_table_is_filled_or_all_that_is_wrong_is_said() -> None:
    head: Head = "conditional_generation"
    moves = all_moves()
    assert list(table_faults(moves, CONFIG, head)) == []
    missing, turned, whole = moves[4], moves[2], moves[8]
    moves[2] = replace(turned, tensor=held(np.zeros(3, np.float32)))
    moves[8] = replace(whole, tensor=held(np.zeros(whole.tensor.shape, np.int64)))
    moves += [renamed("z", "d.weight", held(NUMBERS)), left_out("w", "left out: a buffer", held(NUMBERS))]
    moves.remove(missing)
    faults = list(table_faults(moves, CONFIG, head))
    assert len(faults) == 4
    assert f"the tensor for `{missing.target}` is missing." in faults
    assert f"`{turned.source}` has shape (3,), but must have {turned.tensor.shape} for `{turned.target}`." in faults
    assert any(fault.startswith(f"`{whole.source}` is stored as int64, but weights have fractions") for fault in faults)
    assert "`z` is unknown: a model of this configuration has no `d.weight`." in faults


def test_no_tensor_is_dropped_for_another_of_its_name() -> None:
    moves = all_moves()
    again = renamed("again", str(moves[3].target), moves[3].tensor)
    faults = list(table_faults([*moves, again], CONFIG, "conditional_generation"))
    assert faults == [f"`{moves[3].source}` and `again` are both names of `{moves[3].target}`."]


def test_more_layers_than_there_are_tensors_are_refused_before_they_are_counted() -> None:
    config = BartConfig(encoder_layers=10**7, d_model=4, encoder_attention_heads=1, decoder_attention_heads=1)
    assert list(table_faults(all_moves(), config, "none")) == [
        f"{len(all_moves())} tensors are too few for 10000000 and 12 layers."
    ]


def test_a_tensor_under_its_own_name_is_kept() -> None:
    assert renamed("a", "a", held(NUMBERS)).done == "kept"
    assert renamed("a", "b", held(NUMBERS)).done == "renamed"


def test_a_copy_of_the_embedding_is_left_out_unless_it_differs() -> None:
    faults: list[str] = []
    for copy in (NUMBERS, NUMBERS.copy()):
        assert tied_copy("x", held(copy), held(NUMBERS), faults).target is None
    assert faults == []
    tied_copy("x", held(NUMBERS + 1), held(NUMBERS), faults)
    tied_copy("y", held(NUMBERS[:2]), held(NUMBERS), faults)
    assert [fault.split(" is ")[0] for fault in faults] == ["`x`", "`y`"]


def test_a_config_that_cannot_be_is_a_fault() -> None:
    faults: list[str] = []
    assert built_config({"model_type": "bart", "dropout": None}, faults) == BartConfig()
    assert built_config({"model_type": "bart", "d_model": -1}, faults) is None
    assert "`d_model`" in faults[0]


def test_the_bias_of_the_output_is_made_of_zeros() -> None:
    move = zero_bias(BartConfig(vocab_size=7))
    assert (move.source, move.target, move.tensor.shape) == (None, "final_logits_bias", (1, 7))
    assert not move.tensor.raw().any()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [(slice(1, 3), [1, 2]), ([slice(0, 2), slice(3, 4)], [0, 1, 3]), (slice(2, None), [2, 3]), (slice(2, 2), [])],
)
def test_parts_of_a_tensor_are_read_when_asked_for(rows: slice | list[slice], expected: list[int]) -> None:
    tensor = part(held(NUMBERS), rows)
    assert tensor.shape == (len(expected), 3)
    assert np.array_equal(tensor.raw(), NUMBERS[expected])
    assert tensor.place != held(NUMBERS).place


def test_a_tensor_of_the_asked_type_and_one_of_whole_numbers_are_left_alone() -> None:
    for tensor in (held(NUMBERS), held(np.arange(3))):
        assert recast(tensor, "float32") is tensor
    halves = recast(held(NUMBERS), "float16")
    assert (halves.dtype, halves.raw().dtype) == ("float16", np.float16)
    assert np.array_equal(recast(halves, "float32").raw(), NUMBERS)
    assert np.array_equal(recast(held(NUMBERS.astype(np.float64)), "float32").raw(), NUMBERS)


@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_bfloat16_is_the_nearest_as_torch_rounds_it(values: list[float]) -> None:
    torch = pytest.importorskip("torch", reason="torch says what the nearest is")
    array = np.array(values, np.float32)
    tensor = recast(held(array), "bfloat16")
    assert tensor.dtype == "bfloat16"
    expected = torch.from_numpy(array).to(torch.bfloat16).float().numpy()
    assert np.array_equal(tensor.array(), expected, equal_nan=True)


def test_numbers_too_large_for_a_type_are_refused_when_they_are_read() -> None:
    tensor = recast(StoredTensor("w", (3,), "float32", lambda: np.array([1e6, 1, np.inf], np.float32), "w"), "float16")
    with pytest.raises(CheckpointError, match="`w` has 1 numbers too large for float16"):
        tensor.raw()


def test_a_report_as_json_has_every_tensor() -> None:
    moves = [
        renamed("x", "a.weight", held(NUMBERS)),
        left_out("START", "left out: the start token", held(np.arange(1))),
        Move(None, "b.bias", "made: zeros", held(np.zeros(2))),
    ]
    original = Original("ParlAI xlm", BartConfig(), "none", moves, notes=["a note"])
    report = ConversionReport(Path("from"), Path("to"), "float32", original, ("config.json",)).as_dict()
    assert report["tensors"] == [
        {"from": "x", "to": "a.weight", "shape": [4, 3], "dtype": "float32", "done": "renamed"}
    ]
    assert [row["from"] for row in report["left_out"]] == ["START"]
    assert [(row["from"], row["to"]) for row in report["made"]] == [(None, "b.bias")]
    assert (report["model_type"], report["head"], report["notes"]) == ("bart", "none", ["a note"])
