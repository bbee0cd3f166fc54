import json
from dataclasses import replace
from pathlib import Path

import pytest

from bartleby.backends.pytorch.backend import PyTorchBackend
from bartleby.errors import ConfigError, DataError, OptionError
from bartleby.measure.perplexity import perplexity
from bartleby.training.chat_run import ChatRun, changes_of, config_of, model_perplexity
from bartleby.training.runs import RunFolder
from bartleby.training.store import Examples
from tests.training.tiny import quiet, tiny_options, tiny_run


def losses(run: ChatRun) -> list[float]:
    return [report.loss for report in run.steps()]


def test_a_run_that_was_killed_takes_the_same_steps(corpora: Path, tmp_path: Path) -> None:
    unbroken = losses(tiny_run(corpora, tmp_path / "whole", steps=8))
    killed = tiny_run(corpora, tmp_path / "killed", steps=8)
    steps = killed.steps()
    before = [next(steps).loss for _ in range(3)]
    killed.save()
    next(steps)  # learnt, but not saved
    again = tiny_run(corpora, tmp_path / "killed", steps=8)
    assert again.trainer.step == 3
    assert before + losses(again) == unbroken


def test_texts_are_read_and_cut_into_tokens_once(corpora: Path, tmp_path: Path) -> None:
    said: list[str] = []
    options = tiny_options(corpora, 2)
    ChatRun(options, tmp_path, said.append)
    ChatRun(options, tmp_path, said.append)
    assert [line.split()[0] for line in said] == ["Reading", "16"]
    assert said[1].startswith("16 dialogues gave 40 examples, ")


def test_a_tokenizer_learnt_from_the_texts_is_the_model_s(corpora: Path, tmp_path: Path) -> None:
    run = tiny_run(corpora, tmp_path, steps=2)
    assert run.tokenizer.convert_ids_to_tokens([0, 1, 2, 3]) == ["<pad>", "<s>", "</s>", "<unk>"]
    assert run.tokenizer.model_max_length == run.model.config.max_position_embeddings == 128
    assert run.model.config.vocab_size == len(run.tokenizer)
    assert run.tokenizer("I like cats.")["input_ids"][-1] == run.model.config.eos_token_id


def test_a_loss_falls_and_so_does_perplexity(corpora: Path, tmp_path: Path) -> None:
    run = tiny_run(corpora, tmp_path, steps=40)
    before = run.validate().value
    fell = losses(run)
    assert sum(fell[-5:]) < 0.8 * sum(fell[:5])
    assert run.validate().value < 0.6 * before
    assert [figure["step"] for figure in run.folder.figures("validation")] == [0, 40]


def test_perplexity_is_that_of_the_backend_s_scores(finished_run: Path) -> None:
    [checkpoint] = RunFolder(finished_run).checkpoints()
    backend = PyTorchBackend.open(checkpoint)
    pairs = Examples.open(finished_run / "valid").first(10)
    wanted = perplexity(backend.score(pairs.rows("source"), pairs.rows("target")))
    found = model_perplexity(backend.model, pairs)
    assert found.tokens == wanted.tokens == pairs.lengths("target").sum()
    assert found.value == pytest.approx(wanted.value, rel=1e-4)


def test_a_quick_validation_takes_the_first_of_a_fixed_draw(corpora: Path, tmp_path: Path) -> None:
    runs = [tiny_run(corpora, tmp_path / name, steps=1) for name in "ab"]
    one, other = (run.validation_pairs.rows("source") for run in runs)
    assert one == other
    assert len(one) == 40


def test_one_corpus_can_be_measured_on_alone(corpora: Path, tmp_path: Path) -> None:
    run = ChatRun(tiny_options(corpora, 1, validation="people", leave_out=("talks",)), tmp_path / "run", quiet)
    assert len(run.validation_pairs) == 16
    assert run.folder.figures("corpora")[0]["dialogues"] == {"people": 8}
    with pytest.raises(OptionError, match="'poems' has none"):
        ChatRun(tiny_options(corpora, 1, validation="poems"), tmp_path / "other", quiet)


def test_bad_records_stop_a_run_or_are_told(corpora: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for path in corpora.iterdir():
        (data / path.name).write_bytes(path.read_bytes())
    with (data / "talks.train.jsonl").open("a") as file:
        file.write(json.dumps({"turns": ["alone"]}) + "\n")
    with pytest.raises(DataError, match=r"talks\.train\.jsonl, line 9"):
        ChatRun(tiny_options(data, 1), tmp_path / "stop", quiet)
    said: list[str] = []
    ChatRun(tiny_options(data, 1, on_bad_record="skip"), tmp_path / "skip", said.append)
    assert any(line.startswith("Skipped ") and "line 9" in line for line in said)


def test_another_recipe_in_the_same_folder_is_refused(finished_run: Path, corpora: Path) -> None:
    with pytest.raises(OptionError, match=r"another recipe.*`batch_tokens` is 99 here, but 120 there"):
        ChatRun(replace(tiny_options(corpora, 6), batch_tokens=99), finished_run, quiet)


def test_changes_to_the_model_are_read_as_json_and_checked(corpora: Path) -> None:
    options = tiny_options(corpora, 1)
    assert changes_of(options)["dropout"] == 0.1
    assert config_of(options).d_model == 16
    with pytest.raises(OptionError, match=r"(?s)2 faults.*'d_modle=16'.*'dropout'"):
        changes_of(replace(options, changes=("d_modle=16", "dropout")))
    with pytest.raises(ConfigError, match="dropout"):
        config_of(replace(options, changes=("dropout=2",)))


def test_wrong_options_are_named_together(corpora: Path) -> None:
    with pytest.raises(OptionError, match=r"(?s)`on_bad_record` must be stop or skip.*`validation_examples`"):
        tiny_options(corpora, 1, on_bad_record="ignore", validation_examples=0)
