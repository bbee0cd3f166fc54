import pytest

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')

from typing import Any  # noqa: E402  after the skip

from bartleby.backends.pytorch.decoding.company import Company  # noqa: E402
from tests.backends.pytorch.test_generation import SOURCES, batch, model_of, types  # noqa: E402


def test_only_those_who_follow_the_rows_need_all_of_them() -> None:
    assert not Company().counts_rows
    assert not Company(assistant_model=object(), tokenizer=object()).counts_rows
    assert Company(logits_processor=[lambda ids, scores: scores]).counts_rows
    assert Company(stopping_criteria=[lambda ids, scores: False]).counts_rows


@types
@pytest.mark.parametrize("options", [{}, {"num_beams": 3}], ids=["greedy", "beams"])
def test_a_processor_sees_every_row_and_decides(model_type: str, options: dict[str, Any]) -> None:
    model, seen = model_of(model_type), []

    def only_seven(ids: Any, scores: Any) -> Any:
        seen.append((tuple(ids.shape), tuple(scores.shape)))
        banned = torch.full_like(scores, -torch.inf)
        banned[:, 7] = scores[:, 7]
        return banned

    output = model.generate(**batch(model), logits_processor=[only_seven], max_length=5, **options)
    assert (output[:, 1:] == 7).all()
    rows = len(SOURCES) * options.get("num_beams", 1)
    assert [shape[0] for shape, _ in seen] == [(rows, length)[0] for length in range(1, 5)]
    assert [shape[1] for shape, _ in seen] == [1, 2, 3, 4]


def test_a_processor_comes_after_the_rules_and_before_the_cuts() -> None:
    model = model_of("bart")

    def undo(ids: Any, scores: Any) -> Any:
        assert (scores[:, 5] == -torch.inf).all()  # the rule was here
        return scores.index_fill(1, torch.tensor([5]), 1e4)

    sampled = model.generate(
        **batch(model), suppress_tokens=[5], logits_processor=[undo], do_sample=True, top_k=1, max_length=4
    )
    assert (sampled[:, 1:] == 5).all()


@types
@pytest.mark.parametrize("options", [{}, {"num_beams": 3}], ids=["greedy", "beams"])
def test_a_criterion_may_answer_for_all_rows_or_for_each(model_type: str, options: dict[str, Any]) -> None:
    model = model_of(model_type)
    for answer in (
        lambda ids, scores: ids.shape[1] >= 4,
        lambda ids, scores: torch.tensor([ids.shape[1] >= 4] * len(ids)),
    ):
        output = model.generate(**batch(model), stopping_criteria=[answer], min_length=9, **options)
        assert output.shape[1] == 4


def test_scores_are_shown_to_criteria_where_they_are_recorded() -> None:
    model, seen = model_of("bart"), []

    def look(ids: Any, scores: Any) -> bool:
        seen.append(None if scores is None else len(scores))
        return False

    model.generate(**batch(model), stopping_criteria=[look], max_length=3, min_length=3)
    model.generate(
        **batch(model), stopping_criteria=[look], max_length=3, min_length=3, output_scores=True,
        return_dict_in_generate=True,
    )  # fmt: skip
    assert seen == [None, None, 1, 2]


class Listening:
    def __init__(self) -> None:
        self.heard: list[list[int]] = []
        self.ended = 0

    def put(self, value: Any) -> None:
        self.heard.append(value.tolist())

    def end(self) -> None:
        self.ended += 1


def test_a_streamer_hears_the_prompt_and_every_token() -> None:
    model, streamer = model_of("bart"), Listening()
    output = model.generate(torch.tensor([SOURCES[0]]), streamer=streamer, max_length=6)
    assert streamer.heard[0] == [[model.config.decoder_start_token_id]]
    assert [model.config.decoder_start_token_id, *(token for (token,) in streamer.heard[1:])] == output[0].tolist()
    assert streamer.ended == 1


def test_a_streamer_is_told_the_end_also_when_something_fails() -> None:
    model, streamer = model_of("bart"), Listening()

    def fail(ids: Any, scores: Any) -> Any:
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        model.generate(torch.tensor([SOURCES[0]]), streamer=streamer, logits_processor=[fail])
    assert streamer.ended == 1


def test_a_time_limit_ends_what_is_being_written() -> None:
    model = model_of("bart")
    output = model.generate(**batch(model), min_length=10, max_length=10, max_time=1e-9)
    assert output.shape[1] == 2  # asked after the first token


@types
def test_only_allowed_tokens_are_written(model_type: str) -> None:
    model, asked = model_of(model_type), []

    def allowed(source: int, ids: Any) -> list[int]:
        asked.append((source, tuple(ids.shape)))
        return [5 + source, 2]

    output = model.generate(**batch(model), prefix_allowed_tokens_fn=allowed, num_beams=2, max_length=5)
    for source, row in enumerate(output.tolist()):
        assert set(row[1:]) <= {5 + source, 2, model.config.pad_token_id}
    assert {source for source, _ in asked} == {0, 1, 2}
