import math

import pytest

from bartleby.errors import ConfigError, DataError, OptionError
from bartleby.family.config import BartConfig
from bartleby.lab.evaluating.model import Model, Request, Sampling
from bartleby.lab.evaluating.summaries import measure_summaries
from bartleby.tasks.batches import Writing
from bartleby.tasks.summarize import Summarizer
from bartleby.tokenization.auto import AutoTokenizer
from bartleby.training.records import Pair
from tests.lab.evaluating.scripted import Scripted, save_tiny_reader
from tests.tiny_chat import POSITIONS

pytest.importorskip("rouge_score", reason='rouge-score is not installed: pip install "bartleby[measure]"')

PAIRS = [
    Pair(f"my friend number {number} has {number} cats. they sleep all day.", f"friend {number}")
    for number in range(12)
]


@pytest.fixture
def model(tiny_summarizer):
    """Writes the first three words of the text, and finds every token of a reference as likely as one in five."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_summarizer)
    config = BartConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=POSITIONS,
        task_prefixes={"title": "title: ", "summary": "summary: "},
    )
    backend = Scripted(tokenizer, lambda text: " ".join(text.split()[1:4]), lambda *_: math.log(0.2), config)
    return Model("scripted", backend, tokenizer)


def test_figures_are_of_what_is_written_beside_the_reference(model):
    found = measure_summaries(model, PAIRS, Request(style="title"))
    assert found.figures["perplexity"] == pytest.approx(5)
    assert found.figures["rouge1"] == pytest.approx(2 * 1 / (3 + 2))  # "my friend number" beside "friend 7"
    assert (found.figures["repetition"], found.figures["mean_length"]) == (0.0, 3.0)
    assert (found.facts["style"], found.facts["cut_sources"], found.facts["unscored"]) == ("title", 0, 0)
    assert found.facts["reference_tokens"] == sum(len(model.target(pair.target)) for pair in PAIRS)
    assert [output["record"] for output in found.outputs] == list(range(12))
    assert found.outputs[3]["output"] == "my friend number"
    assert found.baselines == {}
    assert all(source.startswith("title: ") for source in model.backend.sources)


def test_a_sample_is_drawn_by_its_seed(model):
    request = Request(Sampling(5, seed=1))
    places = [output["record"] for output in measure_summaries(model, PAIRS, request).outputs]
    assert places == sorted(Sampling(seed=1).order(12)[:5])
    assert places == [output["record"] for output in measure_summaries(model, PAIRS, request).outputs]


def test_what_is_cut_is_counted(model):
    long = [Pair("many words " * 60, "words"), Pair("few words", "words " * 99)]
    found = measure_summaries(model, long, Request())
    assert (found.facts["cut_sources"], found.facts["unscored"]) == (1, 1)
    assert found.facts["dropped_tokens"] == found.outputs[0]["dropped_tokens"] > 0


def test_baselines_are_measured_on_the_same_texts(model):
    found = measure_summaries(model, PAIRS, Request(baselines=True))
    assert found.baselines.keys() == {"lead_1", "copy", "retrieval"}
    assert found.baselines["copy"]["rouge1"] == pytest.approx(2 * 2 / (11 + 2), abs=0.01)
    assert found.baselines["lead_1"]["rouge1"] > found.baselines["copy"]["rouge1"]
    assert found.baselines["retrieval"]["rouge1"] == pytest.approx(0.5)  # "friend", but of another record
    known = measure_summaries(model, PAIRS, Request(baselines=True, known=PAIRS))
    assert known.baselines["retrieval"]["rouge1"] == 1.0  # which holds the very texts


def test_a_checkpoint_is_measured_by_what_it_writes_itself(tiny_summarizer):
    model = Model.open(tiny_summarizer, "plain")
    found = measure_summaries(model, PAIRS[:3], Request(writing=Writing(model.backend.generation_config)))
    expected = Summarizer.load(tiny_summarizer, backend="plain").summarize_all([pair.source for pair in PAIRS[:3]])
    assert [output["output"] for output in found.outputs] == [summary.text for summary in expected]


def test_what_cannot_be_measured_is_refused(model, tmp_path):
    with pytest.raises(DataError, match="no pair of text and summary"):
        measure_summaries(model, [], Request())
    with pytest.raises(OptionError, match="`style` must be one of summary, title"):
        measure_summaries(model, PAIRS, Request(style="poem"))
    reader = Model.open(save_tiny_reader(tmp_path, "question_answering"), "plain")
    with pytest.raises(ConfigError, match="conditional_generation"):
        measure_summaries(reader, PAIRS, Request())
