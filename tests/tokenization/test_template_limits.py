"""A template that never ends, or grows without end, is stopped; one that does its work is not."""

import threading
import time
from typing import Any

import pytest

from bartleby.errors import TokenizerError
from bartleby.tokenization import template_limits
from bartleby.tokenization.chat_template import render
from bartleby.tokenization.template_limits import LONGEST, MOST_STEPS

pytest.importorskip("jinja2", reason='needs Jinja. Run: pip install "bartleby[templates]"')

CHAT = [{"role": "user", "content": "Hello"}]
PATIENCE_SECONDS = 20  # each takes under one; machines are slow at times


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% for i in messages[0].content * 20000 %}{% for j in messages[0].content * 20000 %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(s='a') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(s='a') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s='a' * 9) %}{% for i in range(9) %}{% set ns.s=ns.s|replace('a', ns.s) %}{% endfor %}",
        "{% set ns = namespace(s='a' * 9) %}{% for i in range(9) %}{% set ns.s=ns.s.replace('a', ns.s) %}{% endfor %}",
        "{{ 'a' * 10**9 }}",
        "{{ [1] * 10**9 }}",
        "{{ 'a'.ljust(1000000000) }}",
        "{{ 'a'|center(1000000000) }}",
        "{{ '%1000000000d' % 3 }}",
        "{{ '%*d' % (1000000000, 3) }}",
        "{{ '{:1000000000}'.format(3) }}",
        "{{ '{:{}}'.format(3, 1000000000) }}",
        "{{ '%1000000000d'|format(3) }}",
        "{{ 9 ** (9 ** 9) }}",
        "{% set ns = namespace(n=9) %}{% for i in range(9) %}{% set ns.n = ns.n ** 64 %}{% endfor %}",
        "{% set n = namespace(l=[0]) %}{% for i in range(50) %}{% set n.l = [n.l, n.l] %}{% endfor %}{{ n.l }}",
        "{% set n = namespace(l=()) %}{% for i in range(50) %}{% set n.l = (n.l, n.l) %}{% endfor %}{{ 1 ~ n.l }}",
        "{% set n = namespace(l={}) %}{% for i in range(50) %}{% set n.l = {1: n.l, 2: n.l} %}{% endfor %}{{ n.l }}",
        "{% set n = namespace(l=0) %}{% for i in range(50) %}{% set n.l = dict(a=n.l, b=n.l) %}{% endfor %}{{ n.l }}",
        "{% set n = namespace(l=[0]) %}{% for i in range(50) %}{% set n.l = [n.l] * 2 %}{% endfor %}{{ n.l|tojson }}",
        "{{ ('a' * 100000).translate({97: 'b' * 100000}) }}",
        "{{ lipsum(n=10000000) }}",
        "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        "{% for i in range(1000) %}{% for j in range(100) %}{{ 'a' * 100 }}{% endfor %}{% endfor %}",
    ],
)
def test_what_costs_too_much_is_refused_soon(template: str) -> None:
    start = time.perf_counter()
    with pytest.raises(TokenizerError, match="The chat template failed"):
        render(template, CHAT, {})
    assert time.perf_counter() - start < PATIENCE_SECONDS


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (
            "{% for m in messages %}{{ m.role }}: {{ m['content'] }}{% if not loop.last %}, {% endif %}{% endfor %}",
            None,
        ),
        ("{{ 2 ** 10 }} {{ 1 ~ 'b' ~ none ~ missing }} {{ 'a' * 3 }} {{ '%d%%' % 5 }}", "1024 1bNone aaa 5%"),
        ("{% for i in range(5) if i % 2 %}{{ i }}{{ loop.index }}{% else %}none{% endfor %}", "1132"),
        ("{% for i in range(5) %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}", "012"),
        ("{% macro f(x) %}<{{ x }}>{% endmacro %}{{ f('a') ~ f('b') }}", "<a><b>"),
        ("{{ messages|map(attribute='role')|join(', ') }} {{ ' a '|trim|center(5) }}.", "user   a  ."),
        ("{{ ['b', 'a']|sort|tojson }} {{ {'a': 1}|tojson(indent=2) }}", '["a", "b"] {\n  "a": 1\n}'),
        ("{% for a, b in [(1, 2), (3, 4)] %}{{ a }}{{ b }}{% endfor %}{% set c, d = 5, 6 %}{{ d }}", "12346"),
        ("{{ 'user' in ['user', 'bot'] }} {{ {'a': 'x'}['a'] }} {{ [1, 2] == [1, 2] }} {{ (1,) }}", "True x True (1,)"),
        ("{% set n = namespace(a=1) %}{% set n.b = namespace(c=n) %}{{ n.b.c.a }}{{ n }}", "1<Namespace>"),
        ("{% set ns = namespace(n=0) %}{% for i in range(9) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", "36"),
    ],
)
def test_templates_mean_what_they_meant(template: str, text: str | None) -> None:
    assert render(template, CHAT, {}) == (text or "user: Hello")


def test_slow_steps_are_stopped_by_the_time_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_limits, "MOST_SECONDS", 0.2)
    template = "{% set l = [0] * 400000 %}{% for i in range(90000) %}{% if 1 in l %}{% endif %}{% endfor %}"
    with pytest.raises(TokenizerError, match=r"takes more than 0\.2 seconds"):
        render(template, CHAT, {})


def test_a_long_conversation_is_no_cost() -> None:
    chat = [{"role": "user", "content": "word " * 500}] * 1000
    text = render("{% for m in messages %}{{ ' ' ~ m.content|trim }}\n{% endfor %}", chat, {})
    assert len(text) > 2_000_000
    assert MOST_STEPS > 10_000
    assert len(text) < LONGEST


def test_each_rendering_has_its_own_steps() -> None:
    template = "{% for i in range(20000) %}{% endfor %}done"
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(render(template, CHAT, {}))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["done"] * 3
    assert [render(template, CHAT, {}) for _ in range(3)] == ["done"] * 3
