import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bartleby.backends import open_backend
from bartleby.backends.pytorch.models import BlenderbotForConditionalGeneration
from bartleby.errors import CheckpointError
from bartleby.tasks.chat import Chat
from bartleby.tokenization.auto import AutoTokenizer
from bartleby.training.cadence import RunOptions
from bartleby.training.export import export_run, refuse_target
from bartleby.training.recipes.recipe import ModelOptions
from bartleby.training.run import Run
from bartleby.training.runs import STATE, RunFolder
from bartleby.training.store import Examples
from bartleby.training.validation.perplexity import pair_perplexity
from tests.training.tiny import quiet, tiny_recipe, tiny_training


@pytest.fixture(scope="module")
def exported(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run as a checkpoint to ship. Do not write into it."""
    return export_run(finished_run, tmp_path_factory.mktemp("shipped") / "tiny-talker", quiet)


def test_an_exported_folder_holds_what_a_checkpoint_needs_and_no_more(exported: Path) -> None:
    assert sorted(path.name for path in exported.iterdir()) == [
        "README.md",
        "config.json",
        "generation_config.json",
        "merges.txt",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.json",
    ]
    assert [path.name for path in exported.parent.iterdir()] == ["tiny-talker"]


def test_it_is_the_run_s_best_model_in_float16(exported: Path, finished_run: Path) -> None:
    best = RunFolder(finished_run).best
    assert best is not None
    shipped = BlenderbotForConditionalGeneration.from_pretrained(exported, dtype="auto")
    trained = BlenderbotForConditionalGeneration.from_pretrained(best)
    assert shipped.dtype == torch.float16
    for name, weight in trained.state_dict().items():
        assert torch.equal(shipped.state_dict()[name], weight.half()), name


def test_one_can_chat_with_it(exported: Path) -> None:
    chat = Chat.load(exported, num_beams=2, min_new_tokens=1, max_new_tokens=4)
    assert chat.layout.turns_kept == 3
    assert 1 <= chat.reply("Do you like cats?").tokens <= 4


def test_the_card_tells_what_was_measured(exported: Path, finished_run: Path) -> None:
    card = (exported / "README.md").read_text(encoding="utf-8")
    pairs = Examples.open(finished_run / "data" / "valid")
    figures = pair_perplexity(BlenderbotForConditionalGeneration.from_pretrained(exported), pairs)()
    assert f"| **validation perplexity** | **{figures['perplexity']:.4g}** |" in card
    assert f"({figures['tokens']:,} tokens, the ends included)" in card
    assert "| talks | 8 | chat | not known to bartleby |" in card
    assert str(finished_run) not in card
    assert card.count("**model**: ") == 10


def test_a_card_can_tell_what_others_measured(finished_run: Path, tmp_path: Path) -> None:
    document = {"task": "chat", "data": "x/talks.valid.jsonl", "examples": 8, "hits_at_1": 0.25, "baselines": {}}
    export_run(finished_run, tmp_path / "out", quiet, figures=[document])
    assert "| hits_at_1 | 0.25 |" in (tmp_path / "out" / "README.md").read_text("utf-8")


@pytest.mark.parametrize("backend", ["plain", "pytorch", "flax", "tensorflow"])
def test_weights_in_several_files_say_the_same(
    finished_run: Path, exported: Path, backend: str, tmp_path: Path
) -> None:
    pytest.importorskip({"flax": "flax", "tensorflow": "tensorflow"}.get(backend, "torch"))
    sharded = export_run(finished_run, tmp_path / "sharded", quiet, max_shard_size="5KB")
    shards = sorted(path.name for path in sharded.glob("model-*-of-*.safetensors"))
    assert len(shards) > 2
    assert (sharded / "model.safetensors.index.json").is_file()
    assert not (sharded / "model.safetensors").exists()
    source, target = [[5, 6, 7, 2]], [[8, 9, 2]]
    [whole] = open_backend(exported, "plain").score(source, target)
    [parts] = open_backend(sharded, backend).score(source, target)
    assert parts == pytest.approx(whole, abs=1e-3)


def test_another_export_replaces_the_one_before_only_if_forced(finished_run: Path, tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()  # empty, so nothing is lost
    export_run(finished_run, target, quiet)
    (target / "leftover").touch()
    with pytest.raises(CheckpointError, match=r"model holds a checkpoint\. .* replace it \(`--force`\)"):
        export_run(finished_run, target, quiet)
    assert (target / "leftover").exists()
    export_run(finished_run, target, quiet, force=True)
    assert not (target / "leftover").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_where_nothing_can_be_written_is_told_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_target(tmp_path / "new" / "model", force=False)
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"must be a folder that can be made, but .*file is a file"):
        refuse_target(tmp_path / "file" / "model", force=False)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(CheckpointError, match=r"model must be .*, but .* cannot be written to"):
        refuse_target(tmp_path / "model", force=True)


def test_the_stages_before_are_in_the_card(finished_run: Path, corpora: Path, tmp_path: Path) -> None:
    further = replace(tiny_recipe(corpora), model=ModelOptions(model=str(finished_run)))
    run = Run(further, tiny_training(2), RunOptions(), tmp_path / "second", quiet)
    list(run.steps())
    run.finish()
    card = (export_run(tmp_path / "second", tmp_path / "out", quiet) / "README.md").read_text("utf-8")
    assert "trained in 2 stages" in card
    assert f"| {finished_run.name} | chat | 6 of 6 |" in card
    assert "| second | chat | 2 of 2 |" in card


def test_a_folder_that_is_no_checkpoint_stays(finished_run: Path, tmp_path: Path) -> None:
    (tmp_path / "poems.txt").write_text("Roses")
    with pytest.raises(CheckpointError, match="exists and is no checkpoint"):
        export_run(finished_run, tmp_path, quiet, force=True)
    assert (tmp_path / "poems.txt").read_text() == "Roses"


def test_a_run_without_a_checkpoint_cannot_be_exported(finished_run: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    for path in (tmp_path / "run", tmp_path / "nowhere"):
        with pytest.raises(CheckpointError, match="with a checkpoint"):
            export_run(path, tmp_path / "out", quiet)


def test_weights_that_float16_cannot_hold_are_refused(finished_run: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_run, tmp_path / "run")
    best = RunFolder(tmp_path / "run").best
    assert best is not None
    model = BlenderbotForConditionalGeneration.from_pretrained(best)
    with torch.no_grad():
        model.model.shared.weight[0, 0] = 1e6
    model.save_pretrained(best)
    with pytest.raises(CheckpointError, match=r"`model\.shared\.weight` has values beyond float16"):
        export_run(tmp_path / "run", tmp_path / "out", quiet)
    assert not (tmp_path / "out").exists()


def test_the_tokenizer_knows_its_length_and_no_state_is_shipped(exported: Path) -> None:
    assert AutoTokenizer.from_pretrained(exported).model_max_length == 128
    assert not (exported / STATE).exists()
