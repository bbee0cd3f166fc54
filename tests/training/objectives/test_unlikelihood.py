"""Each objective beside its formula, computed in NumPy from the probabilities of a plain pass."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from bartleby.errors import DataError
from bartleby.training.batches import Batch
from bartleby.training.objectives import Objective
from bartleby.training.objectives.repeats import Overuse, repeated_places, shared_places
from bartleby.training.objectives.unlikelihood import (
    RewardUnlikelihood,
    SequenceUnlikelihood,
    TokenUnlikelihood,
    VocabularyUnlikelihood,
    token_counts,
    unlikelihood,
)
from bartleby.training.objectives.writing import Writer
from bartleby.training.settings import TrainingOptions
from bartleby.training.trainer import Trainer
from tests.training.objectives.tiny_models import VOCABULARY, batch_of, next_token_probabilities, tiny_bart

PAIRS = [([5, 6, 7, 2], [8, 9, 8, 8, 2]), ([5, 9, 2], [7, 2]), ([9, 9, 2], [6, 5, 6, 4, 5, 6, 2]), ([4, 2], [6, 2])]
REWARDS = [1.0, -1.0, 0.0, -0.5]
HUMAN = np.arange(VOCABULARY)


def sequence(model: Any, share: float = 1.0, **options: Any) -> SequenceUnlikelihood:
    return SequenceUnlikelihood(model, Writer(model, tokens=12), share, ngram=2, **options)


def vocabulary(model: Any, overuse: Overuse | None = None, **options: Any) -> VocabularyUnlikelihood:
    writer = Writer(model, tokens=12)
    return VocabularyUnlikelihood(model, writer, HUMAN, overuse or Overuse(), **{"patience": 0, **options})


OBJECTIVES: dict[str, Callable[[Any], Objective]] = {
    "token": TokenUnlikelihood,
    "reward": RewardUnlikelihood,
    "sequence": sequence,
    "likelihood step of sequence": lambda model: sequence(model, share=0.0),
    "vocabulary": vocabulary,
}


def values(objective: Objective, batch: Batch) -> dict[str, float]:
    return {name: float(term.detach()) for name, term in objective(batch, batch).items()}


def likelihoods(model: Any, batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The probability of each label, where one counts, and the probabilities of all tokens."""
    probabilities, labels = next_token_probabilities(model, batch), batch.arrays["labels"]
    counted = labels != -100
    chosen = np.take_along_axis(probabilities, np.where(counted, labels, 0)[:, :, None], axis=2)[:, :, 0]
    return chosen, counted, probabilities


def test_tokens_said_before_are_unlikely() -> None:
    model, batch = tiny_bart(), batch_of(PAIRS)
    chosen, counted, probabilities = likelihoods(model, batch)
    unlikely = 0.0
    for row, (_, target) in enumerate(PAIRS):
        for place, token in enumerate(target):
            for candidate in set(target[:place]) - {token}:
                unlikely -= np.log(1 - probabilities[row, place, candidate])
    found = values(TokenUnlikelihood(model, alpha=0.7), batch)
    assert found["likelihood"] == pytest.approx(-np.log(chosen[counted]).mean(), rel=1e-5)
    assert found["unlikelihood"] == pytest.approx(0.7 * unlikely / counted.sum(), rel=1e-5)


def test_targets_without_reward_are_unlikely() -> None:
    model, batch = tiny_bart(), batch_of(PAIRS, rewards=REWARDS)
    chosen, counted, _ = likelihoods(model, batch)
    good, bad = counted & (np.array(REWARDS) >= 0)[:, None], counted & (np.array(REWARDS) < 0)[:, None]
    found = values(RewardUnlikelihood(model, alpha=2.0), batch)
    assert found["likelihood"] == pytest.approx(-np.log(chosen[good]).mean(), rel=1e-5)
    assert found["unlikelihood"] == pytest.approx(-2.0 * np.log(1 - chosen[bad]).mean(), rel=1e-5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_batch_of_one_sign_has_only_that_term(sign: float) -> None:
    found = values(RewardUnlikelihood(tiny_bart()), batch_of(PAIRS, rewards=[sign] * 4))
    present, absent = ("likelihood", "unlikelihood") if sign > 0 else ("unlikelihood", "likelihood")
    assert found[present] > 0
    assert found[absent] == 0


def test_rewards_must_be_there() -> None:
    with pytest.raises(DataError, match="must have `rewards`"):
        values(RewardUnlikelihood(tiny_bart()), batch_of(PAIRS))


def test_repeats_of_the_models_own_are_unlikely() -> None:
    model, batch = tiny_bart(), batch_of(PAIRS)
    objective = sequence(model, context_share=0.25)
    found = values(objective, batch)
    taught = objective.writer.taught(batch)
    chosen, _, _ = likelihoods(model, taught)
    above = below = 0.0
    for row, (source, _) in enumerate(PAIRS):
        answer = objective.writer.answers(batch)[row]
        own, copied = repeated_places(answer, 2), shared_places(answer, np.array(source), 2)
        weights = 0.75 * own + 0.25 * copied
        above -= (weights * np.log(1 - chosen[row, : len(answer)])).sum()
        below += weights.sum()
    assert below > 1  # a model that learnt nothing repeats itself
    assert found == {"unlikelihood": pytest.approx(above / below, rel=1e-4)}


def test_half_of_the_steps_teach_repeats_the_same_in_every_part_and_process() -> None:
    objective, other = sequence(tiny_bart(), share=0.5).train(), sequence(tiny_bart(), share=0.5).train()
    choices: list[bool] = []

    def told(one: SequenceUnlikelihood, whole: Batch) -> bool:
        one.counter.begins(whole)
        return one.teaches_repeats()

    for _ in range(200):
        batch = batch_of(PAIRS[:2])
        choices += [told(objective, batch)]
        assert told(objective, batch) == choices[-1]
        assert told(other, batch) == choices[-1]  # in another process
    assert 70 < sum(choices) < 130


def test_a_model_that_repeats_nothing_is_not_punished() -> None:
    model, batch = tiny_bart(), batch_of(PAIRS)
    objective = SequenceUnlikelihood(model, Writer(model, tokens=3), share=1.0, ngram=4)
    loss = objective(batch, batch)["unlikelihood"]
    assert loss.item() == 0
    loss.backward()  # and still goes by way of the model
    assert model.model.shared.weight.grad is not None


@pytest.mark.parametrize("weighting", ["uniform", "logdiff", "kldiv"])
def test_words_said_more_than_people_do_are_unlikely(weighting: Any) -> None:
    model, batch = tiny_bart(), batch_of(PAIRS)
    overuse = Overuse(weighting, 0.01)
    objective = vocabulary(model, overuse, alpha=0.5).train()
    model.eval()
    found = values(objective, batch)
    answers = objective.writer.answers(batch)
    written = np.bincount(np.concatenate(answers), minlength=VOCABULARY)
    assert np.array_equal(objective.written.numpy(), written)
    excess = overuse(written, HUMAN)
    chosen, counted, _ = likelihoods(model, objective.writer.taught(batch))
    weights = np.concatenate([excess[answer] for answer in answers])
    unlikely = -(weights * np.log(1 - chosen[counted])).sum() / (weights > 0).sum()
    likely, kept, _ = likelihoods(model, batch)
    assert found["unlikelihood"] == pytest.approx(0.5 * unlikely, rel=1e-4)
    assert found["likelihood"] == pytest.approx(-np.log(likely[kept]).mean(), rel=1e-5)


def test_the_first_batches_only_count() -> None:
    objective = vocabulary(tiny_bart(), patience=2).train()
    terms = [sorted(values(objective, batch_of(PAIRS))) for _ in range(4)]
    assert terms == [["likelihood"]] * 2 + [["likelihood", "unlikelihood"]] * 2


def test_measuring_counts_nothing() -> None:
    objective = vocabulary(tiny_bart()).eval()
    values(objective, batch_of(PAIRS))
    assert not objective.written.any()
    assert int(objective.counter.steps) == 0


def test_counts_survive_a_checkpoint() -> None:
    model, batch = tiny_bart(), batch_of(PAIRS)
    objective = vocabulary(model).train()
    values(objective, batch)
    kept = {name: buffer.clone() for name, buffer in objective.state_dict().items() if not name.startswith("model.")}
    assert set(kept) == {"written", "counter.steps"}
    model.eval()
    wanted = values(objective, batch_of(PAIRS))
    resumed = vocabulary(tiny_bart()).train()
    resumed.model.eval()
    resumed.load_state_dict(kept, strict=False)
    assert values(resumed, batch_of(PAIRS)) == wanted
    assert torch.equal(resumed.written, objective.written)
    fresh = vocabulary(tiny_bart()).train()
    assert int(fresh.written.sum()) < int(resumed.written.sum())


def test_counts_of_another_vocabulary_are_refused() -> None:
    model = tiny_bart()
    with pytest.raises(DataError, match="a count for each of 30 tokens"):
        VocabularyUnlikelihood(model, Writer(model), np.zeros(7, dtype=np.int64), Overuse())


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_parts_of_a_batch_add_up_to_it(name: str, parts: int) -> None:
    model, whole = tiny_bart(), batch_of(PAIRS, rewards=REWARDS)
    objective = OBJECTIVES[name](model).train()
    model.eval()
    terms = objective(whole, whole)
    wanted = torch.autograd.grad(sum(terms.values()), model.model.shared.weight)[0]
    again = OBJECTIVES[name](model).train()
    model.eval()
    shares = [again(whole.part(index, parts), whole) for index in range(parts)]
    for term, value in terms.items():
        assert sum(share[term].item() for share in shares) == pytest.approx(value.item(), rel=1e-5)
    found = torch.autograd.grad(sum(sum(share.values()) for share in shares), model.model.shared.weight)[0]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_part_without_labels_adds_nothing_by_way_of_the_model(name: str) -> None:
    model, whole = tiny_bart(), batch_of(PAIRS, rewards=REWARDS)
    empty = Batch({**whole.part(0, 4).arrays, "labels": np.full_like(whole.part(0, 4).arrays["labels"], -100)})
    terms = OBJECTIVES[name](model)(empty, whole)
    assert terms.get("likelihood", torch.zeros(())).item() == 0
    torch.autograd.grad(sum(terms.values()), model.model.shared.weight)


def test_unlikelihood_is_finite_where_the_model_is_sure() -> None:
    log_probs = torch.tensor([0.0, -1e-9, -1.0, -0.1, -20.0], requires_grad=True)
    found = unlikelihood(log_probs)
    np.testing.assert_allclose(found[2:].detach(), -np.log1p(-np.exp([-1.0, -0.1, -20.0])), rtol=1e-5)
    assert torch.isfinite(found).all()
    found.sum().backward()
    assert log_probs.grad is not None
    assert torch.isfinite(log_probs.grad).all()


@pytest.mark.parametrize("name", ["sequence", "vocabulary"])
def test_what_is_punished_becomes_rarer(name: str) -> None:
    model, batch = tiny_bart(), batch_of(PAIRS)
    objective = OBJECTIVES[name](model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    seen = []
    for _ in range(12):
        objective.train()
        model.eval()
        loss = objective(batch, Batch(batch.arrays))["unlikelihood"]
        seen.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert min(seen[-3:]) < 0.5 * seen[0]


def test_token_counts_are_of_all_rows() -> None:
    assert token_counts([np.array([1, 1]), np.array([3])], 5).tolist() == [0, 2, 0, 1, 0]
    assert token_counts([], 2).tolist() == [0, 0]


def batches(start: int) -> Iterator[Batch]:
    number = start
    while True:
        yield batch_of(PAIRS[number % 3 :], rewards=REWARDS[number % 3 :])
        number += 1


@pytest.mark.parametrize("name", ["sequence", "vocabulary"])
def test_a_run_taken_up_again_takes_the_same_steps(name: str) -> None:
    def fresh() -> Objective:
        model = tiny_bart(dropout=0.1)
        return sequence(model, share=0.5) if name == "sequence" else vocabulary(model, patience=1)

    options = TrainingOptions(
        steps=5, optimizer="adamw", learning_rate=0.01, warmup_steps=1, precision="no", accumulation=2
    )
    unbroken = [report.terms for report in Trainer(fresh(), batches, options).run()]
    assert {term for terms in unbroken for term in terms} == {"likelihood", "unlikelihood"}
    first = Trainer(fresh(), batches, options)
    steps = first.run()
    before = [next(steps).terms for _ in range(2)]
    second = Trainer(fresh(), batches, options)
    second.restore(first.state())
    assert before + [report.terms for report in second.run()] == unbroken
