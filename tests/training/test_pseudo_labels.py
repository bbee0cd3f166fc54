import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bartleby.errors import DataError
from bartleby.tokenization.base import PreTrainedTokenizer
from bartleby.tokenization.byte_level import BartTokenizer
from bartleby.training import pseudo_labels
from bartleby.training.pseudo_labels import Teacher, write_pseudo_labels

SOURCES = ["the cat sat", "a dog ran", "no sound", "the sun set", "a bird sang"]


class Echo(Teacher):
    """Writes its source in capitals; silence is silent, and a dog is long."""

    def __init__(self) -> None:
        object.__setattr__(self, "asked", [])

    def reads(self, source: str) -> bool:
        return "dog" not in source

    def write(self, sources: list[str]) -> list[str]:
        self.asked += sources  # type: ignore[attr-defined]
        return ["" if source == "no sound" else source.upper() for source in sources]


class Stop(Exception):
    pass


def stopped_after(count: int) -> Iterator[str]:
    yield from SOURCES[:count]
    raise Stop


def test_every_answer_is_a_record(tmp_path: Path) -> None:
    path = tmp_path / "new" / "labels.train.jsonl"
    report = write_pseudo_labels(Echo(), SOURCES, path, ("document", "title"))
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert records == [{"document": text, "title": text.upper()} for text in (SOURCES[0], SOURCES[3], SOURCES[4])]
    assert (report.written, report.empty, report.long_sources, report.resumed) == (3, 1, 1, 0)
    assert report.told() == (
        "the teacher wrote 3 targets. Left out: 1 sources that are too long for it, and 1 it was silent about"
    )
    assert [each.name for each in path.parent.iterdir()] == ["labels.train.jsonl"]


@pytest.mark.parametrize("cut", [0, 7])
def test_a_call_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    monkeypatch.setattr(pseudo_labels, "AT_ONCE", 1)
    whole, path = tmp_path / "whole.jsonl", tmp_path / "labels.jsonl"
    write_pseudo_labels(Echo(), SOURCES, whole)
    with pytest.raises(Stop):
        write_pseudo_labels(Echo(), stopped_after(4), path)
    assert not path.exists()
    draft = tmp_path / ".labels.jsonl.unfinished"
    content = draft.read_bytes()
    draft.write_bytes(content[: len(content) - cut])  # a kill may also cut the last line short
    teacher = Echo()
    report = write_pseudo_labels(teacher, SOURCES, path)
    assert path.read_bytes() == whole.read_bytes()
    assert teacher.asked == (SOURCES[4:] if not cut else SOURCES[3:])  # type: ignore[attr-defined]
    assert (report.written, report.empty, report.resumed) == (3, 1, 2 if not cut else 1)
    assert not draft.exists()


def test_other_sources_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pseudo_labels, "AT_ONCE", 1)
    path = tmp_path / "labels.jsonl"
    with pytest.raises(Stop):
        write_pseudo_labels(Echo(), stopped_after(1), path)
    with pytest.raises(DataError, match="was made of other sources"):
        write_pseudo_labels(Echo(), SOURCES[3:], path)
    (tmp_path / ".labels.jsonl.unfinished").write_text("{}\n", "utf-8")
    with pytest.raises(DataError, match="cannot be read"):
        write_pseudo_labels(Echo(), SOURCES, path)


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text("mine", "utf-8")
    with pytest.raises(DataError, match="must not be there yet"):
        write_pseudo_labels(Echo(), SOURCES, path)
    assert path.read_text("utf-8") == "mine"


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizer:
    return BartTokenizer().train_new_from_iterator(SOURCES, 300)


def test_a_model_writes_what_it_generates(tokenizer: PreTrainedTokenizer) -> None:
    from bartleby.backends.pytorch.backend import PyTorchBackend
    from bartleby.generation.resolution import resolve_options
    from bartleby.tasks.batches import Writing
    from tests.training.objectives.tiny_models import tiny_bart

    model = tiny_bart(vocab_size=len(tokenizer), tie_word_embeddings=False, init_std=0.8, pad_token_id=1)
    tokenizer.model_max_length = 24
    options = resolve_options(model.generation_config, {"max_new_tokens": 6, "num_beams": 2})
    backend = PyTorchBackend(model)
    teacher = Teacher(backend, tokenizer, Writing(options), prefix="say: ")
    written = teacher.write(SOURCES)
    for source, text in zip(SOURCES, written, strict=True):
        [[best]] = backend.generate([tokenizer(f"say: {source}")["input_ids"]], options)
        assert text == tokenizer.decode(list(best.ids), skip_special_tokens=True).strip()
    assert teacher.reads("so " * 50)
    assert len(teacher.write(["so " * 50])) == 1
    strict = Teacher(backend, tokenizer, Writing(options), cuts=False)
    assert strict.reads(SOURCES[0])
    assert not strict.reads("so " * 50)
