from typing import Any

import numpy as np
import pytest
import torch

from bartleby.backends.pytorch.models import BlenderbotForConditionalGeneration
from bartleby.errors import OptionError
from bartleby.family.config import BlenderbotConfig
from bartleby.training.batches import Batch
from bartleby.training.objectives.distillation import DistillationLoss, Shares
from bartleby.training.settings import TrainingOptions
from bartleby.training.shrinking import shrink
from bartleby.training.trainer import Trainer
from tests.training.objectives.tiny_models import SIZES, batch_of, next_token_probabilities, tiny_bart

PAIRS = [([5, 6, 7, 2], [8, 9, 8, 8, 2]), ([5, 9, 2], [7, 2]), ([9, 9, 2], [6, 5, 6, 4, 5, 6, 2]), ([4, 2], [6, 2])]


def teacher_and_student(**fields: Any) -> tuple[Any, Any]:
    teacher = tiny_bart(encoder_layers=2, decoder_layers=6, **fields)
    student = shrink(teacher, 2, 3)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return teacher, student


def values(loss: DistillationLoss, batch: Batch) -> dict[str, float]:
    return {name: term.item() for name, term in loss(batch, batch).items()}


def test_scores_are_drawn_to_the_teachers() -> None:
    teacher, student = teacher_and_student()
    batch = batch_of(PAIRS)
    counted = batch.arrays["labels"] != -100

    def heated(model: Any) -> np.ndarray:
        cooled: np.ndarray = np.log(next_token_probabilities(model, batch)[counted]) / 2.5
        powers = np.exp(cooled)
        return powers / powers.sum(axis=-1, keepdims=True)

    wanted, given = heated(teacher), heated(student)
    divergence = (wanted * np.log(wanted / given)).sum(axis=-1).mean()
    found = values(DistillationLoss(student, teacher, Shares(logits=0.8, temperature=2.5)), batch)
    assert found["logits"] == pytest.approx(0.8 * 2.5**2 * divergence, rel=1e-4)
    labels = batch.arrays["labels"][counted]
    likely = next_token_probabilities(student, batch)[counted][np.arange(len(labels)), labels]
    assert found["likelihood"] == pytest.approx(-np.log(likely).mean(), rel=1e-4)


def test_each_layer_is_drawn_to_the_teachers_as_deep() -> None:
    teacher, student = teacher_and_student()
    batch = batch_of(PAIRS)
    inputs: Any = {name: torch.from_numpy(array) for name, array in batch.arrays.items() if name != "labels"}
    with torch.no_grad():
        own, its = (model(**inputs, output_hidden_states=True) for model in (student, teacher))
    source, target = inputs["attention_mask"].numpy() == 1, batch.arrays["labels"] != -100
    wanted = 0.0
    for layer, other in ((0, 0), (1, 1)):  # the encoder kept both
        gap = (own.encoder_hidden_states[layer + 1] - its.encoder_hidden_states[other + 1]).numpy()[source]
        wanted += (gap**2).mean()
    for layer, other in ((0, 1), (1, 4), (2, 5)):  # three of six
        gap = (own.decoder_hidden_states[layer + 1] - its.decoder_hidden_states[other + 1]).numpy()[target]
        wanted += (gap**2).mean()
    found = values(DistillationLoss(student, teacher, Shares(hidden=3.0)), batch)
    assert found["hidden"] == pytest.approx(3.0 * wanted, rel=1e-4)


def test_a_student_that_is_its_teacher_has_only_the_targets_to_learn() -> None:
    teacher = tiny_bart()
    found = values(DistillationLoss(shrink(teacher), teacher), batch_of(PAIRS))
    assert found["likelihood"] > 0.1
    assert found["logits"] == pytest.approx(0, abs=1e-6)
    assert found["hidden"] == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_the_parts_of_a_batch_add_up_to_it(parts: int) -> None:
    teacher, student = teacher_and_student()
    whole, loss = batch_of(PAIRS), DistillationLoss(student, teacher)
    terms = loss(whole, whole)
    wanted = torch.autograd.grad(sum(terms.values()), student.model.shared.weight)[0]
    shares = [loss(whole.part(index, parts), whole) for index in range(parts)]
    for name, term in terms.items():
        assert sum(share[name].item() for share in shares) == pytest.approx(term.item(), rel=1e-5)
    found = torch.autograd.grad(sum(sum(share.values()) for share in shares), student.model.shared.weight)[0]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


def test_nobody_trains_or_saves_the_teacher() -> None:
    teacher, student = teacher_and_student(dropout=0.3)
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    loss = DistillationLoss(student, teacher)
    assert len(list(loss.parameters())) == len(list(student.parameters()))
    assert all(name.startswith("model.") for name in loss.state_dict())

    def batches(start: int) -> Any:
        while True:
            yield batch_of(PAIRS)

    options = TrainingOptions(
        steps=8, optimizer="adamw", learning_rate=0.01, warmup_steps=1, precision="no", accumulation=2
    )
    trainer = Trainer(loss, batches, options)
    reports = list(trainer.run())
    assert not any(module.training for module in teacher.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert set(trainer.state()["parameters"]) == {name for name, _ in loss.named_parameters()}
    assert set(reports[0].terms) == {"likelihood", "logits", "hidden"}
    assert reports[-1].terms["logits"] < reports[0].terms["logits"]


def test_terms_without_a_share_are_not_computed() -> None:
    teacher, student = teacher_and_student()
    calls: list[object] = []
    teacher.model.register_forward_hook(lambda *_: calls.append(None))
    found = values(DistillationLoss(student, teacher, Shares(logits=0, hidden=0)), batch_of(PAIRS))
    assert list(found) == ["likelihood"]
    assert not calls


def test_layers_that_normalise_first_are_compared_behind_their_last_norm() -> None:
    sizes = {**SIZES, "decoder_layers": 4}
    torch.manual_seed(0)
    teacher: Any = BlenderbotForConditionalGeneration(BlenderbotConfig(**sizes))
    student = shrink(teacher, 1, 2)
    found = values(DistillationLoss(student, teacher), batch_of(PAIRS))
    assert found["hidden"] > 0
    student_twin = shrink(teacher)
    assert values(DistillationLoss(student_twin, teacher), batch_of(PAIRS))["hidden"] == pytest.approx(0, abs=1e-10)


def test_models_that_cannot_be_compared_are_refused() -> None:
    wide = tiny_bart(d_model=32, vocab_size=31)
    with pytest.raises(OptionError, match=r"3 faults(?s:.*)31 tokens(?s:.*)16 and 32 numbers(?s:.*)share of `logits`"):
        DistillationLoss(tiny_bart(), wide, Shares(logits=-1))
    assert values(DistillationLoss(tiny_bart(), tiny_bart(d_model=32), Shares(hidden=0)), batch_of(PAIRS))["logits"] > 0
    with pytest.raises(OptionError, match="`decoder_layers` must be at most 2"):
        DistillationLoss(tiny_bart(decoder_layers=3), tiny_bart())
