from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bartleby.checkpoints.conversion import Original
from bartleby.checkpoints.convert_parlai import our_name, read_parlai
from bartleby.errors import CheckpointError
from tests.checkpoints.made_originals import parlai_state, save_parlai, save_torch, write_parlai_vocabulary

pytest.importorskip("torch", reason="needs torch to write originals")

VARIANTS = {"xlm": "blenderbot-small", "prelayernorm": "blenderbot"}
each_variant = pytest.mark.parametrize("variant", VARIANTS)


def read(folder: Path) -> Original:
    return read_parlai(folder / "model")


@each_variant
def test_every_tensor_is_renamed_or_left_out_for_a_reason(tmp_path: Path, variant: str) -> None:
    state = save_parlai(tmp_path, variant)
    original = read(tmp_path)
    assert {move.source for move in original.moves} == {*state, None}
    assert {move.source for move in original.moves if move.target is None} == {
        "START",
        "encoder.embeddings.weight",
        "decoder.embeddings.weight",
    }
    for move in original.moves:
        if move.source is not None and move.target is not None:
            assert np.array_equal(move.tensor.raw(), state[move.source])


@each_variant
def test_the_config_is_what_the_options_and_tensors_say(tmp_path: Path, variant: str) -> None:
    save_parlai(tmp_path, variant)
    config = read(tmp_path).config
    assert config.model_type == VARIANTS[variant]
    assert (config.d_model, config.encoder_layers, config.decoder_layers) == (8, 1, 2)
    assert (config.decoder_attention_heads, config.decoder_ffn_dim) == (2, 12)
    assert (config.vocab_size, config.max_position_embeddings) == (16, 16)
    assert (config.activation_function, config.scale_embedding, config.dropout) == ("gelu", True, 0.1)
    assert (config.pad_token_id, config.bos_token_id, config.eos_token_id) == (0, 1, 2)


def test_options_that_are_not_there_have_parlais_defaults(tmp_path: Path) -> None:
    options = ("activation", "embeddings_scale", "learn_positional_embeddings", "dropout", "n_positions", "n_segments")
    save_parlai(tmp_path, "xlm", None, dict.fromkeys(options))
    original = read(tmp_path)
    assert (original.config.activation_function, original.config.scale_embedding) == ("relu", True)
    assert (original.config.dropout, original.config.max_position_embeddings) == (0.0, 16)
    assert "sinusoidal" in original.notes[0]


def test_one_number_of_layers_is_that_of_both_stacks(tmp_path: Path) -> None:
    state = parlai_state("xlm")
    for name in [name for name in state if name.startswith("encoder.layers.0.")]:
        state[name.replace("layers.0", "layers.1")] = state[name]
    save_parlai(tmp_path, "xlm", state, {"n_encoder_layers": -1, "n_decoder_layers": -1, "n_layers": 2})
    config = read(tmp_path).config
    assert (config.encoder_layers, config.decoder_layers) == (2, 2)


@pytest.mark.parametrize(
    ("variant", "name", "ours"),
    [
        ("xlm", "encoder.norm_embeddings.weight", "model.encoder.layernorm_embedding.weight"),
        ("prelayernorm", "encoder.norm_embeddings.weight", "model.encoder.layer_norm.weight"),
        ("xlm", "decoder.position_embeddings.weight", "model.decoder.embed_positions.weight"),
        ("xlm", "encoder.layers.7.attention.q_lin.bias", "model.encoder.layers.7.self_attn.q_proj.bias"),
        ("xlm", "encoder.layers.7.norm2.bias", "model.encoder.layers.7.final_layer_norm.bias"),
        ("xlm", "decoder.layers.7.norm2.bias", "model.decoder.layers.7.encoder_attn_layer_norm.bias"),
        ("xlm", "decoder.layers.7.norm3.bias", "model.decoder.layers.7.final_layer_norm.bias"),
        ("xlm", "decoder.layers.7.self_attention.out_lin.weight", "model.decoder.layers.7.self_attn.out_proj.weight"),
        ("xlm", "decoder.layers.7.ffn.lin2.weight", "model.decoder.layers.7.fc2.weight"),
        ("xlm", "encoder.segment_embeddings.weight", "encoder.segment_embeddings.weight"),
    ],
)
def test_names(variant: str, name: str, ours: str) -> None:
    assert our_name(name, variant) == ours


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"variant": "aiayn"},
            r"`variant` must be xlm \(blenderbot-small\) or prelayernorm \(blenderbot\), .* 'aiayn'",
        ),
        ({"variant": None}, "'aiayn'"),
        ({"n_segments": 2}, "`n_segments` must be 0, but is 2"),
        ({"output_scaling": 0.5}, "`output_scaling` must be 1.0, but is 0.5"),
        ({"n_heads": None}, "`n_heads` must be a whole number, but is None"),
        ({"embedding_size": 0}, "`d_model` must be"),
        ({"variant": ["xlm"]}, "`variant` must be"),
        ({"n_positions": 12}, "`n_positions` is 12, but `encoder.position_embeddings.weight` has 16 rows"),
        ({"n_encoder_layers": 10**7}, "tensors are too few for 10000000 and 2 layers"),
        ({"n_heads": 3}, "`d_model` must be divisible by"),
        ({"ffn_size": 13}, r"`encoder.layers.0.ffn.lin1.weight` has shape \(12, 8\), but must have \(13, 8\)"),
        ({"n_decoder_layers": 3}, "the tensor for `model.decoder.layers.2.self_attn.q_proj.weight` is missing"),
        ({"n_decoder_layers": 1}, "`decoder.layers.1.self_attention.q_lin.weight` is unknown"),
    ],
)
def test_options_of_another_model_are_refused(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    save_parlai(tmp_path, "xlm", None, options)
    with pytest.raises(CheckpointError, match=said):
        read(tmp_path)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    state = parlai_state("prelayernorm")
    del state["decoder.norm_embeddings.bias"]
    state["encoder.segment_embeddings.weight"] = state["embeddings.weight"]
    state["decoder.embeddings.weight"] = state["embeddings.weight"] + 1
    save_parlai(tmp_path, "prelayernorm", state, {"n_segments": 2})
    (tmp_path / "model.dict-merges.txt").unlink()
    with pytest.raises(CheckpointError) as refused:
        read(tmp_path)
    for fault in (
        "has 5 faults",
        "option `n_segments` must be 0",
        "must have exactly one of model.dict.codecs and model.dict-merges.txt, but has 0",
        "`decoder.embeddings.weight` is a table of its own",
        "the tensor for `model.decoder.layer_norm.bias` is missing",
        "`encoder.segment_embeddings.weight` is unknown",
    ):
        assert fault in str(refused.value)


def test_a_file_without_an_embedding_is_refused(tmp_path: Path) -> None:
    state = parlai_state("xlm")
    del state["embeddings.weight"]
    save_parlai(tmp_path, "xlm", state)
    with pytest.raises(CheckpointError, match=r"`embeddings.weight` is missing"):
        read(tmp_path)


@pytest.mark.parametrize(
    "name", ["embeddings.weight", "encoder.position_embeddings.weight", "decoder.norm_embeddings.bias"]
)
def test_single_numbers_in_the_place_of_tables_are_refused(tmp_path: Path, name: str) -> None:
    save_parlai(tmp_path, "xlm", parlai_state("xlm") | {name: np.ones((), np.float32)})
    with pytest.raises(CheckpointError, match=r"has shape \(\)|has 0 rows|must be a whole number"):
        read(tmp_path)


@pytest.mark.parametrize("content", [{"weights": {}}, {"model": {"a": 1}}, {"model": {3: np.ones(1)}}])
def test_other_torch_files_are_refused(tmp_path: Path, content: Any) -> None:
    save_parlai(tmp_path, "xlm")
    save_torch(tmp_path / "model", content)
    write_parlai_vocabulary(tmp_path / "model", "xlm")
    with pytest.raises(CheckpointError, match=r"Give ParlAI's file of the model"):
        read(tmp_path)


def test_how_parlai_decodes_is_told(tmp_path: Path) -> None:
    save_parlai(tmp_path, "xlm", None, {"beam_min_length": 20})
    assert read(tmp_path).notes == [
        "ParlAI decodes with beam_size 10, beam_min_length 20; its lengths count new tokens, without the start token."
    ]
