import numpy as np

from bartleby.generation.compiled.noise import HostNoise


def test_only_rows_that_draw_use_up_chance() -> None:
    one, other = HostNoise(0, [0, 1], 2), HostNoise(0, [0, 1], 2)
    one(np.array([[True, False], [False, False]]), 5)
    first = one(np.array([[True, True], [True, False]]), 5)
    other(np.array([[True], [False]]), 5)
    assert np.array_equal(first, other(np.array([[True, True], [True, False]]), 5))
    assert not first[1, 1].any()
    assert first[0].all()


def test_a_source_draws_the_same_alone_and_among_others() -> None:
    together = HostNoise(3, [0, 1, 2], 3)(np.ones((3, 2), dtype=bool), 4)
    assert np.array_equal(HostNoise(3, [1], 3)(np.ones((1, 2), dtype=bool), 4)[0], together[1])
