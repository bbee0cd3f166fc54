import json
from pathlib import Path
from typing import Any

import pytest
import torch

from bartleby.errors import OptionError
from bartleby.training.lora import has_adapters
from bartleby.training.objectives.distillation import DistillationLoss
from bartleby.training.recipes.distill import DistillOptions, DistillRecipe
from bartleby.training.recipes.pairs import SummarizeRecipe
from tests.training.recipes.overfitting import CHANGES, learnt_by_heart, prepared, tiny_recipe

WORDS = ("cat", "dog", "sun", "sea", "red", "sky", "ink", "pen")
TEXTS = [f"the {first} saw a {second} at home" for first in WORDS for second in WORDS]
TITLES = [f"{first} and {second}" for first in WORDS for second in WORDS]
DEEP = (*(change for change in CHANGES if "layers" not in change), "encoder_layers=2", "decoder_layers=3")

DEPTH = {"student_encoder_layers": 1, "student_decoder_layers": 1}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("summaries")
    for split in ("train", "valid"):
        records = [{"text": text, "summary": title} for text, title in zip(TEXTS, TITLES, strict=True)]
        (folder / f"news.{split}.jsonl").write_text("\n".join(map(json.dumps, records)), "utf-8")
    return folder


@pytest.fixture(scope="module")
def teacher(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher of two and three layers, which learnt nothing yet."""
    folder = tmp_path_factory.mktemp("teacher")
    recipe = tiny_recipe(SummarizeRecipe, corpus, {"change": DEEP}, written_examples=0)
    setup, _, _ = prepared(recipe, tmp_path_factory.mktemp("run"))
    writer: Any = setup.model
    writer.generation_config.max_new_tokens = 8
    writer.save_pretrained(folder)
    setup.tokenizer.save_pretrained(folder)
    return folder


def distillation(corpus: Path, teacher: Path | None, model: dict[str, Any] | None = None, **own: Any) -> Any:
    given = {"change": (), "vocab_size": None, "model": None if teacher is None else str(teacher)}
    return tiny_recipe(DistillRecipe, corpus, {**given, **(model or {})}, **{"written_examples": 0, **own})


def test_a_student_learns_by_heart_what_its_teacher_is_to_say(corpus: Path, teacher: Path, tmp_path: Path) -> None:
    recipe = distillation(corpus, teacher, **DEPTH, logits_share=0.0, hidden_share=0.0)
    setup, figures, _ = prepared(recipe, tmp_path)
    assert figures["examples"] == 64
    assert (setup.model.config.encoder_layers, setup.model.config.decoder_layers) == (1, 1)
    assert learnt_by_heart(setup, 110) < 0.05
    assert setup.measure(None)["perplexity"] < 1.1


def test_the_teacher_stays_what_it_is(corpus: Path, teacher: Path, tmp_path: Path) -> None:
    setup, _, _ = prepared(distillation(corpus, teacher, student_encoder_layers=1), tmp_path)
    loss = setup.objective
    assert isinstance(loss, DistillationLoss)
    before = {name: tensor.clone() for name, tensor in loss.teacher.state_dict().items()}
    first = learnt_by_heart(setup, 3)
    assert learnt_by_heart(setup, 12) < first
    assert all(torch.equal(tensor, before[name]) for name, tensor in loss.teacher.state_dict().items())
    assert loss.teacher is not setup.model


def test_the_same_student_is_made_again(corpus: Path, teacher: Path, tmp_path: Path) -> None:
    recipe = distillation(corpus, teacher, student_decoder_layers=1)
    setup, _, _ = prepared(recipe, tmp_path)
    again = recipe.setup(tmp_path)
    for name, tensor in setup.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name])


def test_freezing_and_adapters_are_the_students(corpus: Path, teacher: Path, tmp_path: Path) -> None:
    frozen, _, _ = prepared(distillation(corpus, teacher, {"freeze": ("encoder", "embeddings")}), tmp_path / "a")
    assert not frozen.model.get_parameter("model.shared.weight").requires_grad
    assert frozen.model.get_parameter("model.decoder.layers.0.fc1.weight").requires_grad
    adapted, _, _ = prepared(distillation(corpus, teacher, {"lora": True, "lora_rank": 2}), tmp_path / "b")
    assert has_adapters(adapted.model)
    assert isinstance(adapted.objective, DistillationLoss)
    assert not has_adapters(adapted.objective.teacher)


def test_the_teachers_own_words_may_be_the_targets(corpus: Path, teacher: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    recipe = distillation(corpus, teacher, pseudo_labels=labels)
    setup, figures, told = prepared(recipe, tmp_path / "run")
    records = [json.loads(line) for line in (labels / "news.train.jsonl").read_text("utf-8").splitlines()]
    report = figures["pseudo_labels"]["news"]
    assert report["written"] == len(records) > 0
    assert report["written"] + report["empty"] == 64
    assert {record["text"] for record in records} <= set(TEXTS)
    assert figures["records"] == {"news": len(records)}
    assert any("the teacher wrote" in line for line in told)
    assert setup.measure(4)["examples"] == 4  # what people wrote
    learnt = {tuple(row[row != -100]) for batch in setup.batches.once() for row in batch.arrays["labels"]}
    assert tuple(setup.tokenizer(records[0]["summary"])["input_ids"]) in learnt
    _, again, told = prepared(recipe, tmp_path / "again")
    assert "pseudo_labels" not in again
    assert again["examples"] == figures["examples"]


def test_what_decides_a_step_is_in_the_document(corpus: Path, teacher: Path, tmp_path: Path) -> None:
    document = distillation(corpus, teacher, pseudo_labels=tmp_path).document()
    assert document["kind"] == "distill"
    assert document["pseudo_labels"] is True
    assert document["hidden_share"] == 3.0
    json.dumps(document)


def test_options_that_contradict_each_other_are_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"must be above 0, but all are 0(?s:.*)`label_smoothing` must be 0"):
        DistillOptions(likelihood_share=0.0, logits_share=0.0, hidden_share=0.0, label_smoothing=0.1)
    with pytest.raises(OptionError, match="`model` must name the teacher"):
        prepared(distillation(corpus, None), tmp_path)
