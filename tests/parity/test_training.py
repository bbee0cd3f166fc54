"""What training does to a model: gradients beside the reference library's, and sixty-four examples learnt by heart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bartleby.family.config import CONFIG_CLASSES, BartConfig
from bartleby.family.parameters import Head
from tests.parity.random_models import MODEL_TYPES, VOCABULARY, random_batch, random_fields, random_weights, seeded

torch = pytest.importorskip("torch", reason='the PyTorch wing is not installed: pip install "bartleby[torch]"')
pytest.importorskip("accelerate", reason='training is not installed: pip install "bartleby[train]"')

from bartleby.backends.pytorch import models  # noqa: E402  after the skip
from bartleby.training.batches import Batch  # noqa: E402
from bartleby.training.collation import Padding, teacher_inputs  # noqa: E402
from bartleby.training.objectives import Objective  # noqa: E402
from bartleby.training.objectives.classification import LabelLoss  # noqa: E402
from bartleby.training.objectives.distillation import DistillationLoss, Shares  # noqa: E402
from bartleby.training.objectives.likelihood import TargetLoss  # noqa: E402
from bartleby.training.objectives.repeats import Overuse  # noqa: E402
from bartleby.training.objectives.spans import SpanLoss  # noqa: E402
from bartleby.training.objectives.unlikelihood import (  # noqa: E402
    RewardUnlikelihood,
    SequenceUnlikelihood,
    TokenUnlikelihood,
    VocabularyUnlikelihood,
    token_counts,
)
from bartleby.training.objectives.writing import Writer  # noqa: E402
from bartleby.training.settings import TrainingOptions  # noqa: E402
from bartleby.training.shrinking import shrink  # noqa: E402
from bartleby.training.trainer import Trainer  # noqa: E402

Arrays = dict[str, npt.NDArray[Any]]
CLASS_PREFIX = {"bart": "Bart", "blenderbot": "Blenderbot", "blenderbot-small": "BlenderbotSmall"}
CLOSE = 1e-4


# Gradients


def both(model_type: str, suffix: str, head: Head, draw: int, **more: Any) -> tuple[Any, Any]:
    """Our model and the reference library's, of one shape and with the same weights."""
    transformers = pytest.importorskip(
        "transformers", reason="the reference library is not installed: pip install transformers==5.23.0"
    )
    random = seeded("training", model_type, suffix, draw)
    fields = {**random_fields(random), **more}
    if model_type == "blenderbot-small":
        fields["scale_embedding"] = False  # its decoder never scales in 5.23
    prefix = CLASS_PREFIX[model_type]
    config = CONFIG_CLASSES[model_type](**fields)
    weights = {name: torch.from_numpy(array.copy()) for name, array in random_weights(random, config, head).items()}
    ours = getattr(models, prefix + suffix)(config).eval()
    theirs = getattr(transformers, prefix + suffix)(getattr(transformers, f"{prefix}Config")(**fields)).eval()
    for model in (ours, theirs):
        model.load_state_dict(weights)
    return ours, theirs


def batch_for(random: np.random.Generator, writes: bool) -> Batch:
    (ids, mask), (target, target_mask) = random_batch(random, rows=4), random_batch(random, rows=4, longest=7)
    arrays = {"input_ids": ids, "attention_mask": mask}
    if writes:
        labels = np.where(target_mask == 1, target, -100)
        arrays |= {"decoder_input_ids": teacher_inputs(labels, Padding(1, 2)), "labels": labels}
    return Batch(arrays)


def tensors_of(batch: Batch) -> dict[str, Any]:
    return {name: torch.from_numpy(array) for name, array in batch.arrays.items()}


def assert_same_gradients(objective: Objective, batch: Batch, theirs: Any, loss: Any) -> None:
    """As large as they are, gradients differ by at most a ten-thousandth."""
    terms = objective(batch, batch)
    torch.testing.assert_close(sum(terms.values()), loss, rtol=CLOSE, atol=CLOSE)
    sum(terms.values()).backward()
    loss.backward()
    own, others = dict(objective.model.named_parameters()), dict(theirs.named_parameters())
    assert own.keys() == others.keys()
    reached = 0
    for name, parameter in own.items():
        found, wanted = parameter.grad, others[name].grad
        if found is None or wanted is None:
            assert found is wanted is None or not bool((found if wanted is None else wanted).any()), name
            continue
        reached += 1
        worst = (found - wanted).abs().max().item()
        assert worst <= CLOSE * max(1.0, wanted.abs().max().item()), name
    assert reached > 10


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("draw", range(2))
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_targets_move_weights_as_in_the_reference_library(model_type: str, draw: int, smoothing: float) -> None:
    ours, theirs = both(model_type, "ForConditionalGeneration", "conditional_generation", draw)
    batch = batch_for(seeded("batch", draw), writes=True)
    outputs = theirs(**tensors_of(batch))
    loss = outputs.loss
    if smoothing:
        from transformers.trainer_pt_utils import LabelSmoother

        loss = LabelSmoother(epsilon=smoothing)(outputs, torch.from_numpy(batch.arrays["labels"]))
    assert_same_gradients(TargetLoss(ours, smoothing), batch, theirs, loss)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_texts_move_a_decoder_alone_as_in_the_reference_library(model_type: str) -> None:
    ours, theirs = both(model_type, "ForCausalLM", "causal_lm", 0)
    ids, mask = random_batch(seeded("causal batch", model_type), rows=4)
    batch = Batch({"input_ids": ids, "attention_mask": mask, "labels": np.where(mask == 1, ids[:, ::-1], -100)})
    loss = theirs(**tensors_of(batch), use_cache=False).loss
    assert_same_gradients(TargetLoss(ours), batch, theirs, loss)


@pytest.mark.parametrize(
    ("problem_type", "labels"),
    [
        ("single_label_classification", np.array([0, 2, 1, 2])),
        ("multi_label_classification", np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]], dtype=np.float32)),
        ("regression", np.array([0.5, -1.5, 3.0, 0.0], dtype=np.float32)),
    ],
)
def test_labels_move_weights_as_in_the_reference_library(problem_type: str, labels: npt.NDArray[Any]) -> None:
    count = 1 if problem_type == "regression" else 3
    more = {"num_labels": count, "problem_type": problem_type}
    ours, theirs = both("bart", "ForSequenceClassification", "sequence_classification", 0, **more)
    batch = Batch({**batch_for(seeded("labels"), writes=False).arrays, "labels": labels})
    assert_same_gradients(LabelLoss(ours), batch, theirs, theirs(**tensors_of(batch)).loss)


def test_answers_move_weights_as_in_the_reference_library() -> None:
    ours, theirs = both("bart", "ForQuestionAnswering", "question_answering", 0)
    places = {"start_positions": np.array([0, 2, 99, 1]), "end_positions": np.array([3, 2, 99, 4])}  # one is cut off
    batch = Batch({**batch_for(seeded("spans"), writes=False).arrays, **places})
    assert_same_gradients(SpanLoss(ours), batch, theirs, theirs(**tensors_of(batch)).loss)


# Sixty-four examples by heart

EXAMPLES = 64
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 24,
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "dropout": 0.0,
    "init_std": 0.1,
    "forced_eos_token_id": None,
}


def tiny(suffix: str = "ForConditionalGeneration", **fields: Any) -> Any:
    torch.manual_seed(0)
    return getattr(models, f"Bart{suffix}")(BartConfig(**{**SIZES, **fields}))


def examples(**more: npt.NDArray[Any]) -> Batch:
    """Sources and targets that have nothing to do with each other; no target says anything twice."""
    random = seeded("by heart")
    ids = np.concatenate([random.integers(4, VOCABULARY, (EXAMPLES, 5)), np.full((EXAMPLES, 1), 2)], axis=1)
    words = np.stack([random.permutation(np.arange(4, VOCABULARY))[:4] for _ in range(EXAMPLES)])
    labels = np.concatenate([words, np.full((EXAMPLES, 1), 2)], axis=1)
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    return Batch({**inputs, "decoder_input_ids": teacher_inputs(labels, Padding(1, 2)), "labels": labels, **more})


def readings(**answers: npt.NDArray[Any]) -> Batch:
    """The sources with something to be told of each."""
    arrays = examples().arrays
    return Batch({**{name: arrays[name] for name in ("input_ids", "attention_mask")}, **answers})


def by_heart(objective: Objective, batch: Batch, steps: int, rate: float = 1e-2) -> dict[str, float]:
    """The largest of each term in the last steps."""

    def batches(start: int) -> Iterator[Batch]:
        while True:
            yield Batch(batch.arrays)

    options = TrainingOptions(
        steps=steps, optimizer="adamw", learning_rate=rate, weight_decay=0.0, warmup_steps=5, precision="no"
    )
    terms = [report.terms for report in Trainer(objective, batches, options).run()][-8:]
    return {name: max(step.get(name, 0.0) for step in terms) for name in {key for step in terms for key in step}}


def sequence() -> Objective:
    model = tiny()
    return SequenceUnlikelihood(model, Writer(model, tokens=8), share=0.3, ngram=2)


def vocabulary() -> Objective:
    model = tiny()
    human = token_counts(list(examples().arrays["labels"]), VOCABULARY)
    # What it wrote before it had learnt anything weighs less and less: the threshold lets go of it.
    return VocabularyUnlikelihood(model, Writer(model, tokens=8), human, Overuse("uniform", 0.02), patience=5)


def distillation() -> Objective:
    teacher = tiny(decoder_layers=2)
    by_heart(TargetLoss(teacher), examples(), 80)
    return DistillationLoss(shrink(teacher, 1, 1), teacher, Shares(hidden=0))


NUMBERS = np.arange(EXAMPLES)
STEPS = {"sequence repetition": 200, "one label": 60, "several labels": 60, "an answer": 60}
"""Steps against repeats teach no targets."""

LEARNT: dict[str, tuple[Callable[[], Objective], Callable[[], Batch]]] = {
    "targets": (lambda: TargetLoss(tiny()), examples),
    "token repetition": (lambda: TokenUnlikelihood(tiny()), examples),
    "reward": (lambda: RewardUnlikelihood(tiny()), lambda: examples(rewards=np.where(NUMBERS % 2, 1.0, -1.0))),
    "sequence repetition": (sequence, examples),
    "vocabulary": (vocabulary, examples),
    "distillation": (distillation, examples),
    "one label": (
        lambda: LabelLoss(tiny("ForSequenceClassification", problem_type="single_label_classification")),
        lambda: readings(labels=NUMBERS % 3),
    ),
    "several labels": (
        lambda: LabelLoss(tiny("ForSequenceClassification", problem_type="multi_label_classification")),
        lambda: readings(labels=np.stack([NUMBERS % 2, NUMBERS % 3 == 0, NUMBERS % 5 == 0], 1).astype(np.float32)),
    ),
    "a number": (
        lambda: LabelLoss(tiny("ForSequenceClassification", problem_type="regression", num_labels=1)),
        lambda: readings(labels=(NUMBERS % 7 / 3 - 1).astype(np.float32)),
    ),
    "an answer": (
        lambda: SpanLoss(tiny("ForQuestionAnswering")),
        lambda: readings(start_positions=NUMBERS % 4, end_positions=NUMBERS % 4 + 1),
    ),
}


@pytest.mark.parametrize("name", LEARNT)
def test_every_objective_learns_sixty_four_examples_by_heart(name: str) -> None:
    objective, batch = (make() for make in LEARNT[name])
    terms = by_heart(objective, batch, STEPS.get(name, 100))
    assert terms
    assert sum(terms.values()) < 0.1


def test_a_decoder_alone_learns_sixty_four_texts_by_heart() -> None:
    texts = examples().arrays
    ids = np.concatenate([texts["input_ids"][:, :5], texts["labels"]], axis=1)
    labels = np.full_like(ids[:, :-1], -100)
    labels[:, 4:] = ids[:, 5:]  # how a text begins nobody can know
    batch = Batch({"input_ids": ids[:, :-1], "attention_mask": np.ones_like(labels), "labels": labels})
    assert by_heart(TargetLoss(tiny("ForCausalLM")), batch, 90)["likelihood"] < 0.1


def test_smoothed_targets_are_learnt_down_to_their_entropy() -> None:
    share = 0.1
    rest, most = share / VOCABULARY, 1 - share + share / VOCABULARY
    floor = -(most * np.log(most) + (VOCABULARY - 1) * rest * np.log(rest))
    found = by_heart(TargetLoss(tiny(), share), examples(), 140)["likelihood"]
    assert floor - 1e-3 < found < floor + 0.1


def test_layerdrop_leaves_out_its_share_of_the_layers_in_training_alone() -> None:
    model = tiny(encoder_layers=6, decoder_layers=6, encoder_layerdrop=0.25, decoder_layerdrop=0.75)
    inputs = {name: torch.from_numpy(array[:2]) for name, array in examples().arrays.items()}

    def layers_used() -> dict[str, int]:
        model.zero_grad()
        model(**inputs).loss.backward()
        found = {}
        for side in ("encoder", "decoder"):
            layers = model.get_submodule(f"model.{side}.layers")
            found[side] = sum(layer.fc1.weight.grad is not None for layer in layers)
        return found

    model.train()
    used = [layers_used() for _ in range(60)]
    assert 0.65 < sum(each["encoder"] for each in used) / 360 < 0.85
    assert 0.15 < sum(each["decoder"] for each in used) / 360 < 0.35
    model.eval()
    assert layers_used() == {"encoder": 6, "decoder": 6}
