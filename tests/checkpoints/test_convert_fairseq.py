from argparse import Namespace
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.checkpoints.conversion import Move, Original
from bartleby.checkpoints.convert_fairseq import read_fairseq
from bartleby.errors import CheckpointError
from tests.checkpoints.made_originals import (
    FAIRSEQ_ARGUMENTS,
    Fairseq,
    State,
    fairseq_state,
    save_fairseq,
    save_torch,
    write_fairseq_vocabulary,
)

pytest.importorskip("torch", reason="needs torch to write originals")


def read(folder: Path) -> Original:
    return read_fairseq(folder / "model.pt", folder)


def written(original: Original) -> dict[str, Move]:
    return {move.target: move for move in original.moves if move.target is not None}


def table(original: Original) -> Any:
    return written(original)["model.shared.weight"].tensor.raw()


def test_every_tensor_is_renamed_or_left_out_for_a_reason(tmp_path: Path) -> None:
    state = save_fairseq(tmp_path)
    original = read(tmp_path)
    assert {move.source for move in original.moves} == {*state, None}
    left_out = {move.source: move.done for move in original.moves if move.target is None}
    assert left_out == {
        "encoder.version": "left out: fairseq's version number",
        "decoder.version": "left out: fairseq's version number",
        "encoder.embed_tokens.weight": "left out: the same numbers as the shared embedding",
    }
    for target, move in written(original).items():
        if move.source not in (None, "decoder.embed_tokens.weight"):
            assert target == f"model.{move.source}"
            assert np.array_equal(move.tensor.raw(), state[move.source])


def test_the_config_is_what_the_arguments_and_tensors_say(tmp_path: Path) -> None:
    save_fairseq(tmp_path)
    config = read(tmp_path).config
    assert config.model_type == "bart"
    assert (config.d_model, config.encoder_layers, config.decoder_layers) == (8, 1, 2)
    assert (config.encoder_attention_heads, config.encoder_ffn_dim) == (2, 12)
    assert (config.vocab_size, config.max_position_embeddings) == (17, 16)
    assert (config.dropout, config.attention_dropout, config.activation_dropout) == (0.2, 0.1, 0.05)
    assert (config.activation_function, config.scale_embedding) == ("gelu", False)
    assert read(tmp_path).head == "conditional_generation"


@pytest.mark.parametrize("scaled", [True, False])
def test_the_switches_fairseq_spells_in_the_negative_are_turned(tmp_path: Path, scaled: bool) -> None:
    save_fairseq(tmp_path, no_scale_embedding=not scaled, activation_fn="relu", activation_dropout=0.3)
    config = read(tmp_path).config
    assert (config.scale_embedding, config.activation_function, config.activation_dropout) == (scaled, "relu", 0.3)


@pytest.mark.parametrize(
    ("how", "rows", "done"),
    [
        (Fairseq(fillers=2), range(17), "renamed"),  # bart.large: as many fillers as the published vocabulary has
        (Fairseq(fillers=6), [*range(16), 20], "rows 0 to 15, and row 20 as 16 (<mask>); the others are fillers"),
        (Fairseq(fillers=2, mask=False), range(16), "renamed"),  # cnn and xsum
        (Fairseq(fillers=6, mask=False), range(16), "rows 0 to 15; the others are fillers"),
        (Fairseq(fillers=0), range(15), "renamed"),
    ],
)
def test_the_rows_of_the_published_vocabulary_are_kept(tmp_path: Path, how: Fairseq, rows: Any, done: str) -> None:
    state = save_fairseq(tmp_path, how)
    original = read(tmp_path)
    assert np.array_equal(table(original), state["decoder.embed_tokens.weight"][list(rows)])
    assert written(original)["model.shared.weight"].done == done
    assert original.config.vocab_size == len(rows)
    bias = written(original)["final_logits_bias"]
    assert (bias.source, bias.tensor.shape, bias.tensor.raw().any()) == (None, (1, len(rows)), False)


def test_what_is_known_of_the_mask_is_told(tmp_path: Path) -> None:
    save_fairseq(tmp_path / "cnn", Fairseq(mask=False))
    assert "no row for <mask> (id 16" in read(tmp_path / "cnn").notes[0]
    save_fairseq(tmp_path / "base", Fairseq(fillers=6))
    assert "row 16 may differ" in read(tmp_path / "base").notes[0]
    save_fairseq(tmp_path / "large")
    assert read(tmp_path / "large").notes == []


def test_a_classification_head_makes_a_classifier(tmp_path: Path) -> None:
    state = save_fairseq(tmp_path, Fairseq(labels=3))
    original = read(tmp_path)
    assert (original.head, original.config.num_labels) == ("sequence_classification", 3)
    assert "final_logits_bias" not in written(original)
    head = written(original)["classification_head.out_proj.weight"]
    assert np.array_equal(head.tensor.raw(), state["classification_heads.mnli.out_proj.weight"])


@pytest.mark.parametrize("arguments", [{"args": Namespace}, {"args": None, "cfg": Namespace}, {"cfg": dict}])
@pytest.mark.parametrize("zipped", [True, False])
def test_arguments_are_found_where_each_release_keeps_them(
    tmp_path: Path, arguments: dict[str, Any], zipped: bool
) -> None:
    content: dict[str, Any] = {"model": fairseq_state(Fairseq())}
    for key, kind in arguments.items():
        said = kind(**FAIRSEQ_ARGUMENTS) if kind else None
        content[key] = {"model": said, "task": {}} if key == "cfg" else said
    save_torch(tmp_path / "model.pt", content, zipped)
    write_fairseq_vocabulary(tmp_path, Fairseq())
    assert read(tmp_path).config.encoder_attention_heads == 2


def test_attention_in_one_matrix_is_split(tmp_path: Path) -> None:
    state = fairseq_state(Fairseq())
    packed: State = OrderedDict(state)
    prefix = "decoder.layers.1.encoder_attn."
    for kind in ("weight", "bias"):
        parts = [packed.pop(f"{prefix}{projection}_proj.{kind}") for projection in "qkv"]
        packed[f"{prefix}in_proj_{kind}"] = np.concatenate(parts)
    save_fairseq(tmp_path, state=packed)
    original = read(tmp_path)
    for projection, rows in (("q", "0 to 7"), ("k", "8 to 15"), ("v", "16 to 23")):
        move = written(original)[f"model.{prefix}{projection}_proj.weight"]
        assert (move.source, move.done) == (f"{prefix}in_proj_weight", f"split: rows {rows}")
        assert np.array_equal(move.tensor.raw(), state[f"{prefix}{projection}_proj.weight"])


def test_bpe_files_may_lie_elsewhere(tmp_path: Path) -> None:
    save_fairseq(tmp_path)
    elsewhere = tmp_path / "bpe"
    elsewhere.mkdir()
    for name in ("encoder.json", "vocab.bpe"):
        (tmp_path / name).rename(elsewhere / name)
    with pytest.raises(CheckpointError, match=r"(?s)encoder.json is missing.*vocab.bpe is missing.*`--bpe`"):
        read(tmp_path)
    assert read_fairseq(tmp_path / "model.pt", elsewhere).config.vocab_size == 17


def test_counters_of_the_training_run_are_no_obstacle(tmp_path: Path) -> None:
    """`extra_state` of fairseq up to 0.9: objects of its own classes, spelled here as their pickle has them."""
    from bartleby.checkpoints.torch_file import read_torch_file
    from tests.checkpoints.files import mapped, named_global, pushed, zip_bytes

    meter = named_global("fairseq.meters", "AverageMeter") + b")\x81}" + pushed("val") + b"K\x03sb"
    content = b"\x80\x02}" + pushed("train_meters") + meter + b"s."
    read_content = read_torch_file(mapped(tmp_path / "model.pt", zip_bytes(content, {})))
    assert read_content == {"train_meters": Namespace(val=3)}


def changed(state: State, **changes: Any) -> State:
    """`state` with tensors removed (None) or put in; "__" stands for a dot."""
    for name, value in changes.items():
        dotted = name.replace("__", ".")
        if value is None:
            del state[dotted]
        else:
            state[dotted] = value
    return state


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    state = changed(
        fairseq_state(Fairseq()),
        encoder__layers__0__fc1__bias=None,
        encoder__layer_norm__weight=np.ones(8, np.float32),
        decoder__layers__0__fc2__weight=np.ones((3, 3), np.float32),
        encoder__embed_tokens__weight=np.ones((17, 8), np.float32),
    )
    save_fairseq(tmp_path, state=state, encoder_normalize_before=True, layernorm_embedding=False)
    with pytest.raises(CheckpointError) as refused:
        read(tmp_path)
    for fault in (
        "has 6 faults",
        "argument `encoder_normalize_before` must be False for BART, but is True",
        "argument `layernorm_embedding` must be True for BART, but is False",
        "the tensor for `model.encoder.layers.0.fc1.bias` is missing",
        "`encoder.layer_norm.weight` is unknown: a model of this configuration has no `model.encoder.layer_norm",
        "`decoder.layers.0.fc2.weight` has shape (3, 3), but must have (8, 12)",
        "`encoder.embed_tokens.weight` is a table of its own",
    ):
        assert fault in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"encoder_attention_heads": None}, "argument `encoder_attention_heads` must be a whole number, but is None"),
        ({"encoder_ffn_embed_dim": None}, "argument `encoder_ffn_embed_dim` must be a whole number, but is None"),
        ({"encoder_attention_heads": 3}, "`d_model` must be divisible by `encoder_attention_heads`"),
        ({"decoder_embed_dim": 16}, "`encoder_embed_dim` and `decoder_embed_dim` must be equal"),
        ({"activation_fn": "swish9"}, "`activation_function` must be"),
        ({"encoder_learned_pos": False}, "argument `encoder_learned_pos` must be True"),
    ],
)
def test_arguments_of_another_model_are_refused(tmp_path: Path, arguments: dict[str, Any], said: str) -> None:
    save_fairseq(tmp_path, **arguments)
    with pytest.raises(CheckpointError, match=said):
        read(tmp_path)


@pytest.mark.parametrize("name", ["encoder_embed_dim", "encoder_normalize_before", "dropout", "activation_fn"])
@pytest.mark.parametrize("kind", ["list", "number"])
def test_what_would_take_for_ever_to_show_is_not_shown(tmp_path: Path, name: str, kind: str) -> None:
    value: Any = 10**5000
    if kind == "list":
        value = ["lol"]
        for _ in range(60):  # 2 ** 60 of them, in sixty lists
            value = [value, value]
    save_fairseq(tmp_path, **{name: value})
    with pytest.raises(CheckpointError, match="but is nothing that can be shown"):
        read(tmp_path)


def test_two_tensors_for_one_parameter_are_refused(tmp_path: Path) -> None:
    state = fairseq_state(Fairseq())
    state["encoder.layers.0.self_attn.in_proj_bias"] = np.zeros(24, np.float32)
    save_fairseq(tmp_path, state=state)
    with pytest.raises(CheckpointError, match=r"`encoder.layers.0.self_attn.q_proj.bias` and .*in_proj_bias` are both"):
        read(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "decoder.embed_tokens.weight",
        "encoder.embed_positions.weight",
        "classification_heads.mnli.out_proj.weight",
        "encoder.layers.0.self_attn.in_proj_weight",
    ],
)
def test_single_numbers_in_the_place_of_tables_are_refused(tmp_path: Path, name: str) -> None:
    state = fairseq_state(Fairseq(labels=3))
    state[name] = np.ones((), np.float32)
    save_fairseq(tmp_path, Fairseq(labels=3), state)
    with pytest.raises(CheckpointError, match=r"has shape \(\)|has 0 rows|must be a whole number|is unknown"):
        read(tmp_path)


def test_a_dictionary_of_another_model_is_refused(tmp_path: Path) -> None:
    save_fairseq(tmp_path)
    write_fairseq_vocabulary(tmp_path, Fairseq(fillers=4))
    with pytest.raises(CheckpointError, match=r"has 17 rows, but dict.txt has 18 tokens.*dict.txt of another model\?"):
        read(tmp_path)


def test_two_heads_are_one_too_many(tmp_path: Path) -> None:
    state = fairseq_state(Fairseq(labels=3))
    for part in ("dense.weight", "dense.bias", "out_proj.weight", "out_proj.bias"):
        state[f"classification_heads.rte.{part}"] = state[f"classification_heads.mnli.{part}"]
    save_fairseq(tmp_path, Fairseq(labels=3), state)
    with pytest.raises(CheckpointError, match="classification heads mnli, rte, but a model here has one"):
        read(tmp_path)


@pytest.mark.parametrize("content", [{"weights": {}}, {"model": [1]}, {"model": {"a": 1}}, []])
def test_other_torch_files_are_refused(tmp_path: Path, content: Any) -> None:
    save_torch(tmp_path / "model.pt", content)
    write_fairseq_vocabulary(tmp_path, Fairseq())
    with pytest.raises(CheckpointError, match=r"Give fairseq's model\.pt"):
        read(tmp_path)
