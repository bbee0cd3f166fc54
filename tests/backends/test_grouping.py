from hypothesis import given
from hypothesis import strategies as st

from bartleby.backends.grouping import alike_in_length, by_number_of_ends, by_prompt_length, each_once
from bartleby.family.config import BlenderbotConfig
from bartleby.generation.config import GenerationConfig

TEXTS = st.lists(st.lists(st.integers(3, 9), min_size=1, max_size=6), max_size=9)


@given(TEXTS, st.integers(1, 12))
def test_every_text_is_in_one_group_that_is_small_enough(texts: list[list[int]], tokens: int) -> None:
    groups = list(alike_in_length(texts, tokens))
    assert sorted(place for group in groups for place in group) == list(range(len(texts)))
    for group in groups:
        assert len(group) == 1 or max(len(texts[place]) for place in group) * len(group) <= tokens
    lengths = [len(texts[place]) for group in groups for place in group]
    assert lengths == sorted(lengths)


@given(TEXTS)
def test_texts_that_come_again_are_kept_once(texts: list[list[int]]) -> None:
    once, places = each_once(texts)
    assert [once[place] for place in places] == texts
    assert len({tuple(text) for text in once}) == len(once)


def test_texts_with_as_many_ends_go_together() -> None:
    config = BlenderbotConfig(eos_token_id=[2, 7])
    assert list(by_number_of_ends([[5, 2], [5, 2, 7], [6, 7], [5]], config)) == [[3], [0, 2], [1]]


def test_prompts_of_one_length_go_together() -> None:
    options = GenerationConfig(decoder_start_token_id=1)
    assert list(by_prompt_length(options, [[1, 5], [1], [1, 6]], 3)) == [([1], [[1]]), ([0, 2], [[1, 5], [1, 6]])]
    assert list(by_prompt_length(options, None, 2)) == [([0, 1], [[1], [1]])]
