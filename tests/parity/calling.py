"""A call of calls.py carried out by either library, and what came of it, told in the same words for both."""

from __future__ import annotations

import logging
import math
import warnings
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor

from bartleby.generation.options import listed
from tests.parity.calls import Call

Answer = dict[str, Any]
"""What an output holds, by name, and the name of its class."""

NOTHING = -1e5  # no output of so few tokens scores as badly
BANNED = -1e30  # a ban is an infinite number, or the least one where `remove_invalid_values` has passed


def answer(call: Call, model: Any, helper: Any = None) -> Answer:
    """What `generate` of a model with the draw's weights returns; where it tells scores, those of transitions too."""
    arguments: dict[str, Any] = {**inputs(call, model), **call.options, **functions(call)}
    if call.way == "assisted":
        arguments["assistant_model"] = helper
    if call.options["remove_invalid_values"] and call.form == "encoder-decoder":
        model.final_logits_bias[0, 5] = float("nan")  # so that there is something to remove
    logging.getLogger("transformers").setLevel(logging.ERROR)
    torch.manual_seed(call.drawn.seed)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # advice about options, which a comparison has no use for
        output = model.generate(**arguments)
    if isinstance(output, Tensor):
        return {"class": "Tensor", "sequences": output}
    told = {"class": type(output).__name__, **output}
    if "scores" in told:
        of_steps = (told["sequences"], told["scores"], told.get("beam_indices"))
        told["transition_scores"] = model.compute_transition_scores(*of_steps)
        told["normalized_scores"] = model.compute_transition_scores(*of_steps, normalize_logits=True)
    return told


def inputs(call: Call, model: Any) -> dict[str, Any]:
    """Sources padded on the right, a decoder's on the left; prompts on the left."""
    drawn, pad = call.drawn, call.drawn.config.pad_token_id
    if call.form == "decoder":
        return padded_left("", drawn.sources, call.gaps, pad)
    longest = max(map(len, drawn.sources))
    ids = torch.tensor([[*source, *[pad] * (longest - len(source))] for source in drawn.sources])
    mask = torch.tensor([[1] * len(source) + [0] * (longest - len(source)) for source in drawn.sources])
    given: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
    if call.given == "vectors":
        table = torch.from_numpy(drawn.weights()["model.shared.weight"])
        given["inputs_embeds"] = table[given.pop("input_ids")].to(model.dtype)
    elif call.given == "states":
        shown = {name: call.options.get(name, False) for name in ("output_attentions", "output_hidden_states")}
        with torch.no_grad():
            given["encoder_outputs"] = model.get_encoder()(ids, attention_mask=mask, return_dict=True, **shown)
    if drawn.prompts is not None:
        prompts = padded_left("decoder_", drawn.prompts, call.gaps or (0,) * len(drawn.prompts), pad)
        given |= prompts if call.gaps else {"decoder_input_ids": prompts["decoder_input_ids"]}
    return given


def padded_left(prefix: str, rows: list[list[int]], gaps: tuple[int, ...], pad: int) -> dict[str, Any]:
    """Ids and their mask."""
    padded = list(zip(rows, gaps, strict=True))
    return {
        f"{prefix}input_ids": torch.tensor([[pad] * gap + row for row, gap in padded]),
        f"{prefix}attention_mask": torch.tensor([[0] * gap + [1] * len(row) for row, gap in padded]),
    }


def functions(call: Call) -> dict[str, Any]:
    """The caller's own functions, as both libraries take them."""
    options, vocabulary = call.options, call.drawn.config.vocab_size

    def lower(ids: Tensor, scores: Tensor, **kwargs: Any) -> Tensor:
        """Every third token, counted from the last one written, is less likely."""
        return scores - 0.7 * ((torch.arange(vocabulary) + ids[:, -1:]) % 3 == 0)

    def ends(ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """A row ends with a token that 7 divides, but not with the first it writes: some row should go on."""
        return (ids[:, -1] % 7 == 0) & (ids.shape[1] > prompt_length(call) + 1)

    def allowed(source: int, ids: Tensor) -> list[int]:
        """Three quarters of all tokens, by the last one and the source, and always the end."""
        if options["num_beams"] < options["num_return_sequences"]:
            source = 0  # 5.23 tells the row instead of the source where a source has several samples
        return [2, *(token for token in range(3, vocabulary) if (token + int(ids[-1]) + source) % 4)]

    given = {
        "processor": ("logits_processor", [lower]),
        "criterion": ("stopping_criteria", [ends]),
        "allowed": ("prefix_allowed_tokens_fn", allowed),
    }
    return dict(given[companion] for companion in call.companions)


def prompt_length(call: Call) -> int:
    """How many tokens of every row were there before."""
    rows = call.drawn.sources if call.form == "decoder" else call.drawn.prompts or [[0]]
    return max(map(len, rows)) if not call.gaps else len(rows[0]) + call.gaps[0]


def written(call: Call, told: Answer) -> list[list[int]]:
    """What was written behind each prompt, cut where it ended."""
    return [_cut(call, row[prompt_length(call) :]) for row in told["sequences"].tolist()]


def _cut(call: Call, row: list[int]) -> list[int]:
    ends = listed(call.options["eos_token_id"])
    is_told = "criterion" in call.companions
    is_end = [token in ends or (is_told and place > 0 and token % 7 == 0) for place, token in enumerate(row)]
    return row[: is_end.index(True) + 1] if True in is_end else row


def apart(call: Call, ours: Answer, theirs: Answer) -> dict[str, float]:
    """How far two answers with the same ids are apart in all else they tell, by what it is.

    Compared is what led to an output: beside it stand rows that had ended, and beams that no rule let live. The scores
    of padding are left out, which the releases take for a token of the source, and what padding saw.
    """
    assert ours["class"] == theirs["class"]
    assert set(ours) == set(theirs)
    differences: dict[str, float] = defaultdict(float)
    places = steps_of(call, ours)
    if "beam_indices" in ours:
        differences["beam indices"] = largest_difference(places, steps_of(call, theirs))
    for name in set(ours) - {"class", "sequences", "past_key_values", "beam_indices"}:
        assert len(ours[name]) == len(theirs[name])
        mine, published = (followed(call, name, told[name], places) for told in (ours, theirs))
        kind = name.removeprefix("encoder_").removeprefix("decoder_").replace("_", " ")
        differences[kind] = max(differences[kind], largest_difference(mine, published))
    return dict(differences)


def steps_of(call: Call, told: Answer) -> Tensor:
    """Which row of every step each output went through, (o, steps); -1 behind its end.

    Where rules leave fewer outputs than are asked for, one is there several times: the others are -1 throughout.
    """
    rows = written(call, told)
    if "beam_indices" not in told:
        longest = max(map(len, rows))
        return torch.tensor([[place] * len(row) + [-1] * (longest - len(row)) for place, row in enumerate(rows)])
    copies, places = call.options["num_return_sequences"], told["beam_indices"].clone()
    for place, row in enumerate(rows):
        if row in rows[place - place % copies : place]:
            places[place] = -1
    return places


def followed(call: Call, name: str, values: Any, places: Tensor) -> Any:
    """The part of a field that led to the outputs."""
    if name == "sequences_scores":
        return values[(places >= 0).any(dim=1)]
    if name in ("transition_scores", "normalized_scores"):
        return values[places[:, : values.shape[1]] >= 0]
    if name.startswith("encoder_"):
        seen = torch.tensor(
            [[place < len(source) for place in range(values[0].shape[-2])] for source in call.drawn.sources]
        )
        seen = seen.repeat_interleave(len(values[0]) // len(seen), dim=0)
        return [(layer if layer.dim() == 3 else layer.transpose(1, 2))[seen] for layer in values]
    rows = [column[column >= 0] for column in places.T]  # there may be more steps, which led to nothing
    if name in ("scores", "logits"):
        others = torch.arange(call.drawn.config.vocab_size) != call.drawn.config.pad_token_id
        steps = [step[row][:, others] for step, row in zip(values, rows, strict=False)]
        return [step.masked_fill(step < BANNED, -math.inf) for step in steps]
    first = -1 if call.gaps else 0  # where prompts are padded, only the last token surely saw something
    return [[layer[row][..., first:, :] for layer in step] for step, row in zip(values, rows, strict=False)]


def largest_difference(ours: Any, theirs: Any) -> float:
    """Anywhere in them, relative to the size of the number where that is more than 1."""
    if not isinstance(ours, Tensor):
        return max((largest_difference(*pair) for pair in zip(ours, theirs, strict=True)), default=0.0)
    assert ours.shape == theirs.shape
    ours, theirs = ours.double(), theirs.double()
    difference = (ours - theirs).abs() / theirs.abs().clamp(min=1)
    same = (ours == theirs) | (ours.isnan() & theirs.isnan())  # also where both are infinite
    return float(difference.masked_fill(same, 0).nan_to_num(nan=math.inf).max()) if ours.numel() else 0.0


def with_last_repeated(call: Call, told: Answer) -> list[list[int]]:
    """What was written, where beams found fewer outputs than were asked for: 5.23 fills up with what is no output, with
    a score of -1e9 by length; here the last output is told again.
    """
    rows, copies = written(call, told), call.options["num_return_sequences"]
    for place, score in enumerate(told["sequences_scores"].tolist()):
        if score < NOTHING and place % copies:
            rows[place] = rows[place - 1]
    return rows


def ends_as_in_release_4(call: Call, rows: list[list[int]]) -> list[list[int]]:
    """The same outputs with their ends as 4.37 writes them: its beams forget which of several end tokens it was."""
    ends = listed(call.options["eos_token_id"])
    if call.options["num_beams"] == 1:
        return rows
    return [[*row[:-1], ends[0]] if row[-1] in ends else row for row in rows]
