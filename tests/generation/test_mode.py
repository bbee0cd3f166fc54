import pytest

from bartleby.generation.config import GenerationConfig
from bartleby.generation.mode import GenerationMode


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ({}, "greedy_search"),
        ({"do_sample": True}, "sample"),
        ({"num_beams": 2}, "beam_search"),
        ({"num_beams": 2, "do_sample": True}, "beam_sample"),
        ({"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 1.0}, "group_beam_search"),
        ({"num_beams": 2, "force_words_ids": [[4]]}, "constrained_beam_search"),
        ({"penalty_alpha": 0.6, "top_k": 4}, "contrastive_search"),
        ({"penalty_alpha": 0.6, "top_k": 1}, "greedy_search"),
        ({"prompt_lookup_num_tokens": 3}, "assisted_generation"),
    ],
)
def test_options_ask_for_a_search_by_its_published_name(options: dict, mode: str) -> None:
    assert GenerationConfig(**options).get_generation_mode() == mode == GenerationMode(mode)


def test_an_assistant_helps_where_one_output_is_written_at_a_time() -> None:
    assistant = object()
    assert GenerationConfig().get_generation_mode(assistant) == "assisted_generation"
    assert GenerationConfig(num_beams=2).get_generation_mode(assistant) == GenerationMode.BEAM_SEARCH
