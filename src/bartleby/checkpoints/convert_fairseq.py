"""fairseq's BART: `model.pt`, `dict.txt`, `encoder.json` and `vocab.bpe` -> what is written of it.

The state dict has our names without `model.`; of the embedding, the rows of the published vocabulary are kept.
Source: fairseq, `models/bart/model.py`.
"""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bartleby.checkpoints.conversion import (
    Move,
    Original,
    built_config,
    left_out,
    part,
    renamed,
    rows_of,
    table_faults,
    tied_copy,
    zero_bias,
)
from bartleby.checkpoints.fairseq_vocabulary import MASK, FairseqVocabulary
from bartleby.checkpoints.originals import read_state
from bartleby.checkpoints.tensors import StoredTensor
from bartleby.errors import CheckpointError, raise_all
from bartleby.family.parameters import SHARED, Head

FIELDS = {
    "d_model": "encoder_embed_dim",
    "encoder_layers": "encoder_layers",
    "encoder_attention_heads": "encoder_attention_heads",
    "encoder_ffn_dim": "encoder_ffn_embed_dim",
    "decoder_layers": "decoder_layers",
    "decoder_attention_heads": "decoder_attention_heads",
    "decoder_ffn_dim": "decoder_ffn_embed_dim",
    "activation_function": "activation_fn",
    "dropout": "dropout",
    "attention_dropout": "attention_dropout",
    "activation_dropout": "activation_dropout",
    "classifier_dropout": "pooler_dropout",
    "encoder_layerdrop": "encoder_layerdrop",
    "decoder_layerdrop": "decoder_layerdrop",
}
NEEDED = tuple(name for field, name in FIELDS.items() if field.endswith(("d_model", "layers", "heads", "ffn_dim")))
"""Sizes: none of them is guessed."""

SWITCHES = {
    "encoder_normalize_before": False,
    "decoder_normalize_before": False,
    "encoder_learned_pos": True,
    "decoder_learned_pos": True,
    "layernorm_embedding": True,
    "no_token_positional_embeddings": False,
    "share_all_embeddings": True,
    "adaptive_input": False,
    "cross_self_attention": False,
    "no_cross_attention": False,
}
"""What BART is, in fairseq's words; an argument that an older release lacks has this value."""

UNUSED = {
    "encoder.version": "left out: fairseq's version number",
    "decoder.version": "left out: fairseq's version number",
    "encoder.embed_positions._float_tensor": "left out: a buffer without weights",
    "decoder.embed_positions._float_tensor": "left out: a buffer without weights",
}
COPIES = ("encoder.embed_tokens.weight", "decoder.output_projection.weight")
TABLE = "decoder.embed_tokens.weight"
CLASSIFIER = re.compile(r"classification_heads\.([^.]+)\.(.+)")


class _Odd:
    """Stands for lists and the like, which no argument of ours is: showing one in an error could take for ever."""

    def __repr__(self) -> str:
        return "nothing that can be shown"


class Rows(NamedTuple):
    """Which rows of the embedding table are tokens of the published vocabulary."""

    first: int
    """How many of the first."""
    has_mask: bool
    """Whether the last row of all is `<mask>`."""


def read_fairseq(model: Path, bpe: Path) -> Original:
    """The checkpoint whose weights are the file `model`; encoder.json and vocab.bpe lie in the folder `bpe`.

    Raises: CheckpointError with everything that is missing, unknown or unlike BART.
    """
    files = {"dict.txt": model.parent, "encoder.json": bpe, "vocab.bpe": bpe}
    missing = [f"{folder / name} is missing." for name, folder in files.items() if not (folder / name).is_file()]
    faults = list(missing)
    if missing:
        faults.append("The BPE files, which fairseq downloads itself, may lie elsewhere: name their folder (`--bpe`).")
    content, state = read_state(model, "Give fairseq's model.pt.")
    arguments = _arguments(content)
    faults += _switch_faults(arguments)
    vocabulary = None if missing else FairseqVocabulary(model.parent / "dict.txt", bpe, faults)
    rows = _rows(state, vocabulary, faults)
    moves = list(_moves(state, rows, faults))
    head: Head = "conditional_generation"
    if any(move.target and move.target.startswith("classification_head") for move in moves):
        head = "sequence_classification"
    config = built_config(_fields(arguments, state, rows, head), faults) if rows else None
    if config is not None:
        if head == "conditional_generation":
            moves.append(zero_bias(config))
        faults += table_faults(moves, config, head)
    raise_all(CheckpointError, faults, str(model))
    assert config is not None, "no config without a fault"
    assert vocabulary is not None, "no vocabulary without a fault"
    assert rows is not None, "no rows without a fault"
    return Original("fairseq BART", config, head, moves, vocabulary.files(), notes=list(_notes(rows, vocabulary)))


def _arguments(content: Mapping[str, Any]) -> dict[str, Any]:
    """What the model was built with: `args` of older releases, `cfg["model"]` of newer ones."""
    cfg = content.get("cfg")
    for said in (cfg.get("model") if isinstance(cfg, Mapping) else None, content.get("args")):
        if isinstance(said, Namespace | Mapping):
            arguments = vars(said) if isinstance(said, Namespace) else said
            return {name: value if _is_plain(value) else _Odd() for name, value in arguments.items()}
    return {}


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | float | None) or (isinstance(value, int) and value.bit_length() < 64)


def _switch_faults(arguments: Mapping[str, Any]) -> Iterator[str]:
    for name in NEEDED:
        if not isinstance(arguments.get(name), int):
            yield f"argument `{name}` must be a whole number, but is {arguments.get(name)!r:.40}."
    for name, expected in SWITCHES.items():
        if bool(arguments.get(name, expected)) is not expected:
            yield f"argument `{name}` must be {expected} for BART, but is {arguments[name]!r:.40}."
    if arguments.get("decoder_embed_dim", arguments.get("encoder_embed_dim")) != arguments.get("encoder_embed_dim"):
        yield "arguments `encoder_embed_dim` and `decoder_embed_dim` must be equal."


def _fields(arguments: Mapping[str, Any], state: Mapping[str, StoredTensor], rows: Rows, head: Head) -> dict[str, Any]:
    """The fields of a config; lengths and labels are those of the tensors."""
    fields = {field: arguments.get(name) for field, name in FIELDS.items()}
    if fields["activation_dropout"] is None:
        fields["activation_dropout"] = arguments.get("relu_dropout")  # its name in older releases
    positions = state.get("encoder.embed_positions.weight")
    labels = [tensor for name, tensor in state.items() if name.endswith(".out_proj.weight") and CLASSIFIER.match(name)]
    return {
        **fields,
        "model_type": "bart",
        "vocab_size": rows.first + rows.has_mask,
        "max_position_embeddings": rows_of(positions) - 2 if positions else arguments.get("max_source_positions"),
        "scale_embedding": not arguments.get("no_scale_embedding", True),
        "num_labels": rows_of(labels[0]) if head == "sequence_classification" and labels else None,
    }


def _rows(state: Mapping[str, StoredTensor], vocabulary: FairseqVocabulary | None, faults: list[str]) -> Rows | None:
    """None without a table; all of them where the vocabulary is not there or another's, which is a fault already."""
    table = state.get(TABLE)
    if table is None:
        faults.append(f"`{TABLE}` is missing.")
        return None
    spare = rows_of(table) - vocabulary.size if vocabulary else 0
    if spare not in (0, 1):
        faults.append(
            f"`{TABLE}` has {rows_of(table)} rows, but dict.txt has {vocabulary and vocabulary.size} tokens; "
            f"there may be one row more, for {MASK}. Is this the dict.txt of another model?"
        )
    if vocabulary is None or spare not in (0, 1):
        return Rows(rows_of(table), False)
    return Rows(vocabulary.kept, spare == 1)


def _moves(state: Mapping[str, StoredTensor], rows: Rows | None, faults: list[str]) -> Iterator[Move]:
    heads = {found[1] for name in state if (found := CLASSIFIER.fullmatch(name))}
    if len(heads) > 1:
        faults.append(f"There are classification heads {', '.join(sorted(heads))}, but a model here has one.")
    for name, tensor in state.items():
        packed = re.fullmatch(r"(.+\.)in_proj_(weight|bias)", name)
        classifier = CLASSIFIER.fullmatch(name)
        if name in UNUSED:
            yield left_out(name, UNUSED[name], tensor)
        elif name == TABLE:
            yield _table_move(tensor, rows)
        elif name in COPIES:
            yield tied_copy(name, tensor, state.get(TABLE, tensor), faults)
        elif packed and tensor.shape:
            yield from _split(name, f"model.{packed[1]}", packed[2], tensor)
        elif classifier:
            yield renamed(name, f"classification_head.{classifier[2]}", tensor)
        else:
            yield renamed(name, f"model.{name}", tensor)


def _table_move(table: StoredTensor, rows: Rows | None) -> Move:
    """The embedding, without the rows of fillers that the published vocabulary does not have."""
    total = rows_of(table)
    if rows is None or rows.first + rows.has_mask >= total:
        return renamed(TABLE, SHARED, table)
    pieces = [slice(0, rows.first)] + [slice(total - 1, total)] * rows.has_mask
    mask = f", and row {total - 1} as {rows.first} ({MASK})" if rows.has_mask else ""
    done = f"rows 0 to {rows.first - 1}{mask}; the others are fillers"
    return Move(TABLE, SHARED, done, part(table, pieces))


def _split(name: str, prefix: str, kind: str, tensor: StoredTensor) -> Iterator[Move]:
    """Queries, keys and values in one matrix, as the oldest releases have them."""
    third = rows_of(tensor) // 3
    for number, projection in enumerate(("q_proj", "k_proj", "v_proj")):
        rows = slice(number * third, (number + 1) * third if number < 2 else None)
        done = f"split: rows {number * third} to {(number + 1) * third - 1}"
        yield Move(name, f"{prefix}{projection}.{kind}", done, part(tensor, rows))


def _notes(rows: Rows, vocabulary: FairseqVocabulary) -> Iterator[str]:
    if not rows.has_mask:
        yield f"The model has no row for {MASK} (id {rows.first} of the vocabulary): it cannot fill masks."
    elif rows.first < vocabulary.size:
        yield (
            f"The row of {MASK} is the last of the original. The published checkpoint of this shape may hold another "
            f"in its place, so that row {rows.first} may differ from it."
        )
