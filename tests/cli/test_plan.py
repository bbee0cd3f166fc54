from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")

import numpy as np

from bartleby.cli.plan import LONGEST_LINE, batch_lines, shown
from bartleby.training.batches import Batch
from tests.cli.conftest import Ran
from tests.cli.test_kinds import DATA, TINY

Bartleby = Callable[..., Ran]


class Letters:
    """A tokenizer of one letter an id."""

    def decode(self, ids: list[int], skip_special_tokens: bool) -> str:
        assert not skip_special_tokens
        return "".join(chr(96 + number) for number in ids)


BATCH = Batch(
    {
        "input_ids": np.array([[8, 9, 1], [8, 5, 25]]),
        "attention_mask": np.array([[1, 1, 0], [1, 1, 1]]),
        "labels": np.array([[8, -100], [9, 1]]),
        "rewards": np.array([0.5, -1.0]),
    }
)


def test_rows_are_shown_as_text_without_padding_and_numbers_as_they_are() -> None:
    lines = list(batch_lines(BATCH, Letters()))  # type: ignore[arg-type]
    assert lines[:2] == ["  input_ids (2, 3) int64", "  attention_mask (2, 3) int64"]
    assert lines[4:] == [
        *("  row 1", "    input_ids: 'hi'", "    labels: 'h'", "    rewards: 0.5"),
        *("  row 2", "    input_ids: 'hey'", "    labels: 'ia'", "    rewards: -1.0"),
    ]


def test_long_texts_are_cut_visibly() -> None:
    batch = Batch({"input_ids": np.ones((1, 1000), dtype=np.int64)})
    text = shown(batch.arrays["input_ids"][0], "input_ids", batch, 0, Letters())  # type: ignore[arg-type]
    assert len(text) == LONGEST_LINE + 1
    assert text.endswith("…")


@pytest.fixture
def dry(bartleby: Bartleby, tmp_path: Path) -> Callable[..., str]:
    def run(*words: object) -> str:
        config = tmp_path / "tiny.yaml"
        config.write_text(TINY, encoding="utf-8")
        ran = bartleby("train", "chat", "--config", config, "--data", DATA / "chat", "--dry-run", *words)
        assert ran.code == 0, ran.err
        return ran.out

    return run


def test_the_plan_tells_model_examples_steps_rate_and_memory(dry: Callable[..., str]) -> None:
    told = dry("--steps", 28)
    assert "chat: a new model, shaped as bartleby-chat-mini (blenderbot, 1 + 1 layers, d_model 16)" in told
    assert "Examples: 34 to learn from" in told
    assert "6 to measure on." in told
    assert "Steps: 28, 14 an epoch, so 2 epochs and about 3,512 tokens." in told
    assert "Rate: muon, up to 0.002 (matrices: 0.004) within 1 steps, then cosine down to 2% of it." in told
    assert "Memory: about" in told


def test_epochs_and_minutes_are_told_too(dry: Callable[..., str]) -> None:
    assert "Steps: 28, 14 an epoch" in dry("--epochs", 2)
    assert "Steps: as many as take 5 minutes" in dry("--minutes", 5)


def test_a_dry_distillation_lets_no_teacher_write(bartleby: Bartleby, tiny_summarizer: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    options = ["--model", tiny_summarizer, "--source-tokens", 64, "--target-tokens", 32, "--written-examples", 0]
    command = ["train", "distill", "--data", DATA / "summaries", "--steps", 1, "--pseudo-labels", labels, *options]
    ran = bartleby(*command, "--dry-run")
    assert ran.code == 0, ran.err
    assert "shows the targets of the corpora" in ran.err
    assert not labels.exists()


def test_the_other_kinds_can_be_planned_too(bartleby: Bartleby, tmp_path: Path) -> None:
    config = tmp_path / "tiny.yaml"
    config.write_text(TINY, encoding="utf-8")
    for kind, data in (("classify", "labels"), ("answer", "questions"), ("lm", "text"), ("pretrain", "text")):
        blocks = ["--block-tokens", 64] if data == "text" else []
        ran = bartleby("train", kind, "--config", config, "--data", DATA / data, "--steps", 1, "--dry-run", *blocks)
        assert ran.code == 0, ran.err
        assert ran.out.startswith(f"{kind}: a new model, shaped as bartleby-summary-mini")
        assert "The first batch" in ran.out
