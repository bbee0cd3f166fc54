from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from bartleby.generation.config import GenerationConfig
from bartleby.generation.search import search_of
from bartleby.generation.task import Task
from tests.generation.markov import EOS, PAD, START, MarkovDecoder, random_tables


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_beams": 3},
        {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.5},
        {"num_beams": 3, "force_words_ids": [[5]]},
    ],
    ids=["rows", "beams", "groups", "constrained"],
)
def test_every_search_does_a_task_and_leaves_it_as_it_is(options):
    config = GenerationConfig(max_length=6, eos_token_id=EOS, pad_token_id=PAD, **options)
    prompts = np.array([[START, 4], [START, 5]])
    task = Task(MarkovDecoder(random_tables(0, 2)), config, (), np.array([0, 1]), prompts.copy(), 6, None)
    found = search_of(config)(task)
    assert [len(hypotheses) for hypotheses in found] == [1, 1]
    assert all(len(one.ids) <= 4 for (one,) in found)  # the prompt is not counted among them
    assert (task.prompts == prompts).all()
    with pytest.raises(FrozenInstanceError):
        task.max_length = 7
