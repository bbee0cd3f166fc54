"""Whose texts a model was taught by: licences and sources of the corpora this library's own checkpoints know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Attribution:
    """One corpus, as a model card names it."""

    title: str
    licence: str
    source: str
    """Repository and commit, where it has one."""
    manner: str
    """What it is like, which is what a model takes on from it."""


CORPORA: Mapping[str, Attribution] = {
    "arxiv_title_abstract": Attribution(
        title="Abstracts and titles of arXiv",
        licence="CC0 (metadata of arXiv)",
        source="arXiv, by way of dw-dengwei/daily-arXiv-ai-enhanced (branch data)",
        manner="abstracts of papers, most on computer science, and their titles",
    ),
    "blender_chatlogs": Attribution(
        title="Blender chat logs (Facebook AI Research)",
        licence="MIT",
        source="facebookresearch/ParlAI a29567f7",
        manner="people talking with the 2.7B Blender",
    ),
    "casino": Attribution(
        title="CaSiNo (Chawla et al. 2021)",
        licence="CC-BY-4.0",
        source="kushalchawla/CaSiNo 2f6ed4a6",
        manner="one topic: camp-site trading",
    ),
    "novel_dialogue": Attribution(
        title="Dialogue of novels",
        licence="CC0 / public domain in the US",
        source="novels whose copyright has ended",
        manner="quotes from novels; period English, long turns",
    ),
    "openstax_summaries": Attribution(
        title="OpenStax textbooks: sections and their summaries",
        licence="CC-BY-4.0 at the commit taken",
        source="the book repositories of OpenStax, Rice University",
        manner="long sections of textbooks, summaries of 140 words",
    ),
    "openstax_text": Attribution(
        title="OpenStax textbooks",
        licence="CC-BY-4.0 at the commit taken",
        source="the book repositories of OpenStax, Rice University",
        manner="sections of college textbooks",
    ),
    "persuasionforgood": Attribution(
        title="Persuasion for Good (Wang et al. 2019)",
        licence="Apache-2.0",
        source="ohyj1002/persuasionforgood 3fbc0df7",
        manner="one topic: a charity",
    ),
    "qmsum": Attribution(
        title="QMSum (Zhong et al. 2021)",
        licence="MIT",
        source="Yale-LILY/QMSum",
        manner="spans of meetings, and answers to questions about them",
    ),
    "scitldr": Attribution(
        title="SciTLDR (Cachola et al. 2020)",
        licence="Apache-2.0",
        source="allenai/scitldr",
        manner="abstracts of papers, and each in one sentence",
    ),
    "self_dialogue": Attribution(
        title="The Self-dialogue Corpus (Fainberg et al. 2018)",
        licence="BSD-3-Clause",
        source="jfainberg/self_dialogue_corpus 113a1b0f",
        manner="crowd workers playing both sides; films, music, sport",
    ),
    "standard_ebooks": Attribution(
        title="Standard Ebooks",
        licence="CC0 / public domain in the US",
        source="the book repositories of Standard Ebooks",
        manner="novels; period English",
    ),
    "synthetic_persona_chat": Attribution(
        title="Synthetic-Persona-Chat (Jandaghi et al. 2023, Google)",
        licence="CC-BY-4.0",
        source="google-research-datasets/Synthetic-Persona-Chat 1f367a0f (valid and test)",
        manner="written by a model; personas on both sides, smooth, repetitive",
    ),
    "topical_chat": Attribution(
        title="Topical-Chat (Gopalakrishnan et al. 2019, Amazon)",
        licence="CDLA-Sharing-1.0 (does not restrict trained models, which are Results)",
        source="alexa/Topical-Chat 7c939229 (valid and test)",
        manner="crowd workers in pairs; many facts, longer turns",
    ),
    "wikinews": Attribution(
        title="Wikinews",
        licence="CC-BY-2.5",
        source="vanatteveldt/wikinews",
        manner="news and their headlines",
    ),
}


OPEN = ("CC0", "MIT", "CC-BY-2.5", "CC-BY-4.0", "Apache-2.0", "BSD-3-Clause", "CDLA-Sharing-1.0")
"""Licences that let a model taught by the texts be given out under one of its own, with the texts attributed."""


def may_be_given_out(corpora: Iterable[str]) -> bool:
    """Whether all of `corpora` are known here, and their licences are open; of none at all nothing is known."""
    known = [CORPORA.get(corpus) for corpus in corpora]
    return bool(known) and all(each is not None and each.licence.split()[0] in OPEN for each in known)


def attribution_row(corpus: str, records: int, taught: str) -> str:
    """A row of a card's table; `taught` says in which stages. Of a corpus this library does not know, it says so."""
    known = CORPORA.get(corpus)
    if known is None:
        return f"| {corpus} | {records:,} | {taught} | not known to bartleby | not known to bartleby | |"
    return f"| {known.title} | {records:,} | {taught} | {known.licence} | {known.source} | {known.manner} |"
