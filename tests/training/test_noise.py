import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartleby.errors import OptionError
from bartleby.training.lexicon import Lexicon
from bartleby.training.noise import NOISES, Noise, permutation, rotated, share_of, span_lengths

BOS, PAD, EOS, UNK, STOP, BREAK, MASK = 0, 1, 2, 3, 4, 5, 99
VOCABULARY = 100
IDS = np.arange(VOCABULARY)
SPECIAL = np.isin(IDS, [BOS, PAD, EOS, UNK, MASK])
LEXICON = Lexicon(
    mask_token_id=MASK,
    ordinary=np.flatnonzero(~SPECIAL),
    special=SPECIAL,
    opens=SPECIAL | (IDS % 2 == 0) & (IDS != STOP),  # even tokens begin a word, odd ones go on with it
    closes=SPECIAL | (IDS == BREAK),
    stops=IDS == STOP,
    breaks=IDS == BREAK,
)
TEXTS = st.lists(st.integers(STOP, MASK - 1), min_size=1, max_size=60)
SHARES = st.floats(0, 1)
INFILLING = NOISES["text-infilling"]


@st.composite
def noises(draw: st.DrawFn) -> Noise:
    return Noise(
        mask=draw(SHARES),
        mask_random=draw(SHARES),
        mask_length=draw(st.sampled_from(["one", "span-poisson"])),
        poisson_lambda=draw(st.floats(0.1, 9)),
        replace_length=draw(st.sampled_from([-1, 0, 1])),
        unit=draw(st.sampled_from(["word", "token"])),
        insert=draw(SHARES),
        permute_sentences=draw(st.floats(0.01, 1)),
        rotate=draw(SHARES),
    )


def row_of(text: list[int]) -> np.ndarray:
    return np.array([BOS, *text, EOS])


def random_row(length: int, seed: int = 0) -> np.ndarray:
    return row_of(np.random.default_rng(seed).integers(6, MASK, length).tolist())


def spoilt(noise: Noise, row: np.ndarray, rows: int, seed: int = 0) -> Iterator[list[int]]:
    """The text of `row`, without its ends, spoilt `rows` times."""
    generator = np.random.default_rng(seed)
    for _ in range(rows):
        yield noise(row, LEXICON, generator).tolist()[1:-1]


def in_order(some: list[int], whole: list[int]) -> bool:
    rest = iter(whole)
    return all(token in rest for token in some)


@given(TEXTS, noises(), st.integers(0, 99), st.integers(0, 40))
def test_any_noise_keeps_the_ends_leaves_something_and_fits(
    text: list[int], noise: Noise, seed: int, room: int
) -> None:
    row = row_of(text)
    longest = len(row) + room
    noised = noise(row, LEXICON, np.random.default_rng(seed), longest)
    assert (noised[0], noised[-1]) == (BOS, EOS)
    assert 3 <= len(noised) <= longest
    assert row.tolist() == row_of(text).tolist()  # what it was made of is as it was
    assert np.array_equal(noised, noise(row, LEXICON, np.random.default_rng(seed), longest))


@given(TEXTS, SHARES, st.sampled_from(["word", "token"]), st.floats(0.1, 9), st.integers(0, 99))
def test_infilling_keeps_the_order_of_what_is_left(
    text: list[int], share: float, unit: str, mean: float, seed: int
) -> None:
    noise = replace(INFILLING, mask=max(share, 0.01), unit=unit, poisson_lambda=mean)
    left = [token for token in next(spoilt(noise, row_of(text), 1, seed)) if token != MASK]
    assert in_order(left, text)


@given(TEXTS, SHARES, st.integers(0, 99))
def test_permutation_and_rotation_lose_nothing(text: list[int], share: float, seed: int) -> None:
    noise = replace(NOISES["sentence-permutation"], permute_sentences=share, rotate=0.5)
    assert sorted(next(spoilt(noise, row_of(text), 1, seed))) == sorted(text)


@given(TEXTS, SHARES)
def test_the_masked_share_is_exact_in_tokens_and_in_words(text: list[int], share: float) -> None:
    row = row_of(text)
    by_token = replace(NOISES["token-masking"], mask=share, permute_sentences=1e-9)
    assert next(spoilt(by_token, row, 1)).count(MASK) == share_of(len(text), share)
    by_word = replace(by_token, unit="word", replace_length=1)
    starts = LEXICON.word_starts(np.array(text))
    assert next(spoilt(by_word, row, 1)).count(MASK) == share_of(int(starts.sum()), share)


def test_a_share_is_rounded_up_but_not_by_binary_fractions() -> None:
    assert [share_of(count, 0.3) for count in (0, 1, 3, 4, 10, 11)] == [0, 1, 1, 2, 3, 4]
    assert share_of(100, 0.07) == 7  # 0.07 * 100 is a hair above 7


@pytest.mark.parametrize("unit", ["word", "token"])
def test_infilling_hides_exactly_its_share_whatever_the_spans(unit: str) -> None:
    row = random_row(200)
    units = LEXICON.word_starts(row[1:-1]) if unit == "word" else np.ones(200, dtype=bool)
    hidden = share_of(int(units.sum()), 0.3)
    for seen in spoilt(replace(INFILLING, unit=unit), row, 300):
        left = np.array([token for token in seen if token != MASK])
        # Words are hidden whole, so each one left still has its start; the first counts as one without being even.
        counted = int(LEXICON.opens[left].sum()) if unit == "word" else left.size
        assert abs(counted - (int(units.sum()) - hidden)) <= (unit == "word" and not LEXICON.opens[row[1]])


def test_words_are_hidden_whole() -> None:
    words = [[6, 7, 9], [8, 11], [10], [12, 13, 15, 17]] * 10
    row = row_of([token for word in words for token in word])
    noise = replace(INFILLING, unit="word", mask_length="one")
    for seen in spoilt(noise, row, 50):
        pieces = np.split(seen, np.flatnonzero(LEXICON.opens[seen])[1:])
        assert all(piece.tolist() in [*words, [MASK]] for piece in pieces)
        assert seen.count(MASK) == 12


def test_every_token_is_masked_as_often_as_any_other() -> None:
    row, rows = random_row(40), 4000
    noise = replace(INFILLING, mask_length="one", replace_length=-1)
    often = np.sum([np.array(seen) == MASK for seen in spoilt(noise, row, rows)], axis=0)
    deviation = math.sqrt(rows * 0.3 * 0.7)
    assert np.abs(often - 0.3 * rows).max() < 4.5 * deviation


def test_span_lengths_are_poisson_and_make_the_total() -> None:
    lengths = span_lengths(200_000, 3.5, np.random.default_rng(0))
    assert lengths.sum() == 200_000
    whole = lengths[:-1]  # the last one is cut
    expected = np.array([math.exp(-3.5) * 3.5**k / math.factorial(k) for k in range(11)]) * whole.size
    found = np.bincount(whole, minlength=30)
    expected = np.append(expected, whole.size - expected.sum())
    found = np.append(found[:11], found[11:].sum())
    chi_square = float(((found - expected) ** 2 / expected).sum())
    assert chi_square < 31.3  # 11 degrees of freedom, one chance in a thousand
    assert whole.mean() == pytest.approx(3.5, abs=0.04)
    assert whole.var() == pytest.approx(3.5, abs=0.1)


@given(st.integers(0, 300), st.floats(0.1, 50), st.integers(0, 99))
def test_spans_make_the_total_and_the_last_one_holds_something(total: int, mean: float, seed: int) -> None:
    lengths = span_lengths(total, mean, np.random.default_rng(seed))
    assert lengths.sum() == total
    assert (lengths >= 0).all()
    assert not lengths.size or lengths[-1] > 0


def test_a_text_gets_a_mask_for_each_span_the_empty_ones_too() -> None:
    row, rows = random_row(400), 500
    masks = [seen.count(MASK) for seen in spoilt(replace(INFILLING, poisson_lambda=2.0), row, rows)]
    drawn = [span_lengths(120, 2.0, np.random.default_rng(seed)).size for seed in range(rows)]
    assert np.mean(masks) == pytest.approx(np.mean(drawn), abs=4.5 * np.std(drawn) * math.sqrt(2 / rows))
    kept = [sum(token != MASK for token in seen) for seen in spoilt(INFILLING, row, 20)]
    assert kept == [280] * 20


def test_masks_for_which_there_is_no_room_are_left_out_and_text_is_not() -> None:
    row = random_row(50)
    noise = Noise(mask=0, permute_sentences=0, insert=0.5, mask_random=0)
    assert len(noise(row, LEXICON, np.random.default_rng(0))) == 77
    for longest, masks in ((77, 25), (60, 8), (52, 0), (10, 0)):
        noised = noise(row, LEXICON, np.random.default_rng(0), longest).tolist()
        assert noised.count(MASK) == masks
        assert [token for token in noised if token != MASK] == row.tolist()


def test_inserted_masks_stand_anywhere() -> None:
    noise = Noise(mask=0, permute_sentences=0, insert=0.2, mask_random=0)
    places = Counter(seen.index(MASK) for seen in spoilt(noise, row_of([6, 7, 8, 9, 10]), 6000))
    assert places.keys() == set(range(6))
    assert max(abs(count - 1000) for count in places.values()) < 4.5 * math.sqrt(1000 * 5 / 6)


@pytest.mark.parametrize(("length", "left"), [(-1, 100), (0, 70), (1, None)])
def test_what_stands_for_a_span(length: int, left: int | None) -> None:
    row = random_row(100)
    noise = replace(INFILLING, replace_length=length)
    for seen in spoilt(noise, row, 30):
        masks = seen.count(MASK)
        assert (masks > 0) == (length != 0)
        assert len(seen) == (left or 70 + masks)


def test_random_tokens_stand_for_their_share_of_the_spans() -> None:
    row = row_of([6] * 400)
    noise = replace(INFILLING, mask_length="one", mask_random=0.25)
    others = [[token for token in seen if token != 6] for seen in spoilt(noise, row, 400)]
    flat = [token for seen in others for token in seen]
    drawn = [token for token in flat if token != MASK]
    expected = 0.25 * 400 * 120 * 94 / 95  # one in 95 is the token that was there
    assert len(drawn) == pytest.approx(expected, abs=4.5 * math.sqrt(expected))
    counts = np.bincount(drawn, minlength=VOCABULARY)
    assert not counts[SPECIAL].any()
    each = np.delete(counts, [*np.flatnonzero(SPECIAL), 6])
    assert ((each - each.mean()) ** 2 / each.mean()).sum() < 140  # chi square, 93 degrees, one chance in a thousand


def test_random_tokens_are_drawn_for_a_whole_span() -> None:
    row = row_of([6] * 60)
    noise = replace(INFILLING, mask=0.5, mask_random=0.5, replace_length=-1, poisson_lambda=9)
    runs = 0
    for seen in spoilt(noise, row, 50):
        kinds = [0 if token == 6 else 1 if token == MASK else 2 for token in seen]
        runs += sum(one != other for one, other in pairwise(kinds))
    assert runs / 50 < 12  # single draws would change kind at every other of the 30 hidden tokens


def test_sentences_come_in_every_order_as_often() -> None:
    row = row_of([6, STOP, 8, 7, STOP, 10, STOP, 12])
    rows = 4800
    orders = Counter(tuple(seen) for seen in spoilt(NOISES["sentence-permutation"], row, rows))
    assert len(orders) == 24
    chi_square = sum((count - rows / 24) ** 2 / (rows / 24) for count in orders.values())
    assert chi_square < 49.7  # 23 degrees of freedom, one chance in a thousand


def test_only_the_share_of_the_sentences_changes_places() -> None:
    starts, moved = np.arange(10), []
    generator = np.random.default_rng(0)
    for _ in range(2000):
        order = permutation(starts, 10, 0.35, generator)
        assert sorted(order) == list(range(10))
        moved.append(int((order != starts).sum()))
    assert max(moved) == 4
    assert np.mean(moved) == pytest.approx(3, abs=0.12)  # of four that are shuffled, one stays on average


def test_a_document_begins_at_any_token_as_often() -> None:
    row = np.arange(6, 16)
    generator = np.random.default_rng(0)
    starts: Counter[int] = Counter()
    for _ in range(5000):
        turned = rotated(row, generator)
        place = int(np.flatnonzero(turned == 6)[0])
        assert np.array_equal(np.roll(turned, -place), row)
        starts[int(turned[0])] += 1
    assert sum((starts[token] - 500) ** 2 / 500 for token in row.tolist()) < 27.9  # 9 degrees, one in a thousand


def test_rotation_comes_as_often_as_asked() -> None:
    row = row_of(list(range(6, 56)))
    noise = replace(NOISES["document-rotation"], rotate=0.4)
    turned = sum(seen != row.tolist()[1:-1] for seen in spoilt(noise, row, 3000))
    expected = 0.4 * 3000 * 49 / 50  # one rotation in fifty is none
    assert turned == pytest.approx(expected, abs=4.5 * math.sqrt(expected * 0.6))


def test_deleting_everything_leaves_one_token() -> None:
    noise = replace(NOISES["token-deletion"], mask=1.0)
    assert {len(seen) for seen in spoilt(noise, random_row(9), 20)} == {1}
    assert next(spoilt(noise, row_of([8]), 1)) == [8]


def test_a_row_of_nothing_but_ends_is_left_alone() -> None:
    assert Noise()(np.array([BOS, EOS]), LEXICON, np.random.default_rng(0)).tolist() == [BOS, EOS]


def test_a_word_begins_where_it_began_before_sentences_moved() -> None:
    words = [[6, BREAK], [7, 9, STOP], [8, 11]]  # 7 begins a word behind the line break, wherever its line goes
    noise = replace(NOISES["infilling-and-permutation"], unit="word", mask=0.3, mask_length="one")
    hidden = {tuple(sorted(token for word in words for token in word if word != gone)) for gone in words}
    row = row_of([token for word in words for token in word])
    assert {tuple(sorted(set(seen) - {MASK})) for seen in spoilt(noise, row, 60)} == hidden


def test_the_noise_of_bart_large_has_the_published_flags() -> None:
    noise = NOISES["bart-large"]
    assert noise == Noise()
    assert (noise.mask, noise.mask_random, noise.mask_length, noise.poisson_lambda) == (0.3, 0.1, "span-poisson", 3.5)
    assert (noise.permute_sentences, noise.replace_length, noise.rotate, noise.insert) == (1.0, 1, 0, 0)
    assert noise.unit == "word"


@pytest.mark.parametrize("name", NOISES)
def test_every_preset_spoils_and_an_ablation_does_one_thing(name: str) -> None:
    row = row_of([6, 7, STOP, 8, 9, STOP, 10, 11, STOP] * 5)
    text = row.tolist()[1:-1]
    seen = next(spoilt(NOISES[name], row, 1))
    assert seen != text
    masked = "masking" in name or "infilling" in name or name == "bart-large"
    assert (MASK in seen) == masked
    assert (sorted(seen) == sorted(text)) == (name in ("sentence-permutation", "document-rotation"))
    left = [token for token in seen if token != MASK]
    assert in_order(left, text) == (name in ("token-masking", "token-deletion", "text-infilling"))


def test_wrong_options_are_named_together() -> None:
    with pytest.raises(OptionError, match=r"(?s)The noise has 3 faults.*`mask`.*`unit`.*`rotate`"):
        Noise(mask=1.5, unit="sentence", rotate=-1)
    with pytest.raises(OptionError, match="must be above 0, but none is"):
        Noise(mask=0, permute_sentences=0)
