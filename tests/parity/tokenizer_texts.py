"""5,000 strings that tokenizers disagree on, made from a seed: the same everywhere, so goldens need not store them.

Each recipe makes one kind of trouble; `mixture` glues several together. Nothing depends on the Unicode tables of the
running Python: characters come from ranges written out here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from random import Random

COUNT = 5000
SEED = 20130

Recipe = Callable[[Random], str]


def listed(*lines: str) -> tuple[str, ...]:
    """The items of `lines`, which `|` separates."""
    return tuple(item for line in lines for item in line.split("|"))


NAMES = listed("Ada|Boris|Chen|Dagny|Emeka|Fatima|Gustav|Hina|Ines|Jamal|Kofi|Leila|Mateo|Nadia|Oskar|Priya")
NOUNS = listed("bridge|clerk|copyist|river|ledger|window|lantern|kitchen|garden|letter|orchard|ferry|notebook|umbrella")
VERBS = listed("painted|borrowed|repaired|forgot|described|measured|carried|watched|sold|hid|translated|counted")
PLACES = listed("in Lisbon|near the harbour|at half past nine|behind the old mill|on Tuesday|in the attic")
REMARKS = listed("I'd rather not.|You're kidding!|Isn't it odd?|They've gone; we'll see.|It's 5 o'clock.|He'd said so.")

PROSE = (
    "The clerk preferred not to copy the deed, and nobody in the office could say why.",
    "My brother keeps bees; last summer they made eleven kilos of rather bitter honey.",
    "Scientists at the observatory announced yesterday that the comet will return in 2061.",
    "After a long negotiation, both unions accepted the proposal and the trains ran again.",
    "Do you like cooking? I've been learning to bake sourdough, though my first loaf was a brick!",
    "Her grandmother's recipe calls for two onions, a pinch of saffron and an unreasonable amount of patience.",
    "The municipal library, founded in 1874, lends umbrellas as well as encyclopaedias.",
    "He said he would've come earlier if the road hadn't been flooded near the quarry.",
    "Unemployment fell slightly in the third quarter, according to preliminary figures from the ministry.",
    "I used to play the accordion in a wedding band, but nowadays I mostly repair typewriters.",
    "Prices of wheat, barley and sunflower oil rose sharply after the harvest failed.",
    "What's your favourite film? Mine is an old black-and-white comedy about a lighthouse keeper.",
    "The goalkeeper dived to his left, touched the ball and broke a finger in the process.",
    "Volunteers rescued forty-two hedgehogs from the abandoned greenhouse on Saturday.",
    "Please forward the signed contract by Thursday, otherwise the discount no longer applies.",
    "A quiet man, he kept a diary in shorthand which his daughters never learned to read.",
)

SPECIALS = listed(
    "<s>|</s>|<pad>|<unk>|<mask>",
    "__start__|__end__|__null__|__unk__|__newln__|__START__|__silence__",
)
NEARLY_SPECIAL = listed("<mask|mask>|< s>|</ s>|<MASK>|<s|__start|start__|___end__|____|__unk_")
SPACES = (
    *listed(" |  |   |\t|\n|\n\n|\n\n\n|\r\n|\r|\v|\f| \n|\n |\t\t\t", " " * 17, "\n" * 9),
    *"\u00a0\u3000\u2009\u2028\u2029\u0085\u1680\u202f\u205f",
)
INVISIBLE = (
    *"\x00\x01\x07\x08\x1b\x1c\x1d\x1e\x1f\x7f\x80\x92\x9f\u00ad\u200b\u200c\u200d\u200e\u202d\u2060\ufeff",
    *"\ufffd\uffff\ue000\U000e0041\U0010fffd",
)
MARKS = tuple("\u0300\u0301\u0307\u0308\u0323\u0327\u0345\u0489\u20dd\u094d\u0e49\u3099")
CASES = listed(
    "İstanbul|ISTANBUL|ıI|Straße|STRASSE|ẞ|Dž|DŽ|lj|Nj|ﬁ|ﬃ|ŉ|ǰ|K|Å|Ω|ᾈ|ᾼ|ⅷ|Ⅷ|Ⓐ|İ̇|I\u0307|Ǆ|McDonald|eBay|HTTPServer",
    "ΟΔΥΣΣΕΥΣ|ΣΑΣ|Σ|ΑΣ.Α|ΑΣ'Α|ΑΣ:Α|ΑΣ\u00adΑ|ΑΣ\u0301|Σ\u0301Α|ΑΣ1|1Σ|ΤΙΣ,|(ΟΣ)|-ΑΣ-|ΑΣΣ|aΣ|aΣb",
    "ʰΣ|Σʰ|ΑʰΣ|\u0345Σ|Α\u0345Σ\u0345",
)
EMOJI = listed(
    "😀|👍🏽|👩\u200d💻|👨\u200d👩\u200d👧\u200d👦|🏳\ufe0f\u200d🌈|❤\ufe0f|❤|🇵🇹|🇯🇵🇧|1\ufe0f\u20e3|#\ufe0f\u20e3",
    "🧑🏿\u200d🤝\u200d🧑🏻|☃|☃\ufe0f|✌🏿|🫠|™|🤷\u200d♀\ufe0f|🥨",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
)
PUNCTUATION = (
    *"""!"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~—–“”‘’«»¿¡、。！（·•°§©€£¥₹½²₂×→∑∀┌█′؟…""",
    *listed("...|--|?!|!!!|''|``"),
)
MARKUP = (
    *listed("@@|foo@@|@@bar|a@@ b|@|@@@@|</w>|a</w>|<w>|_|snake_case_name|__init__|Ġ|Ġthe|Ċ|▁|▁This ▁is|##ing|[CLS]"),
    *("<|endoftext|>", "madeupword0001", "\\n", "&nbsp;", "<br/>", "%20"),
)
CLITICS = listed(
    "don't|I'm|we've|they're|it's|she'll|he'd|DON'T|'tis|rock 'n' roll|o'clock|''|dogs'|'|’|can’t|y'all'd've|'s|' s",
    " n't|O'Neil's|'\n|it'\ns|f('x')",
)
ALPHABETS = (  # first and last code point
    *((0x0061, 0x007A), (0x0041, 0x005A), (0x00C0, 0x00FF), (0x0100, 0x017F), (0x0180, 0x024F), (0x0250, 0x02AF)),
    *((0x0391, 0x03A1), (0x03A3, 0x03CE), (0x1F00, 0x1F15), (0x0400, 0x045F), (0x0531, 0x0556), (0x0561, 0x0586)),
    *((0x05D0, 0x05EA), (0x0621, 0x064A), (0x0904, 0x0939), (0x0985, 0x098C), (0x0B85, 0x0B8A), (0x0E01, 0x0E30)),
    *((0x10A0, 0x10C5), (0x10D0, 0x10F0), (0x1200, 0x1248), (0x13A0, 0x13F5), (0x1E00, 0x1EFF), (0x3041, 0x3096)),
    *((0x30A1, 0x30FA), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0xFF21, 0xFF5A), (0x10400, 0x1044F), (0x1D400, 0x1D454)),
)
NUMBERS = listed(
    "{n}|{n:,}|-{n}|{n:.2e}|${n}|{n}%|+351 {n}|{n}th|0x{n:x}|{n}/11/2019|07:{n:02}|v{n}.0.1|3.{n}|({n})|n={n};",
    "٣٤٥|१२३|½ cup|x²+y₃|Ⅻ|１２３",
)
ADDRESSES = listed(
    "https://example.org/{noun}?q={n}&x=%20#top|www.{noun}.test|{noun}.{n}@mail.test|@{noun}|#{noun}{n}",
    "/var/{noun}/{n}.txt|C:\\{noun}\\{n}|ftp://[::1]:{n}/|see {noun}.py:{n}|192.168.0.{n}",
)
CODE = (
    "def {noun}(x, *args):\n\treturn x['{noun}'] != {n}\n",
    "for (int i = 0; i < {n}; ++i) {{\n    {noun}[i] += 1;\n}}\n\n",
    '{{"{noun}": [{n}, null, true], "_id": "{n:08x}"}}',
    "<p class='{noun}'>{n}&amp;{n}</p><!-- {noun} -->",
    "SELECT {noun}_id FROM t WHERE a>={n} AND b IS NOT NULL;",
    "$ cat {noun}.log | grep -v '^#' > /dev/null 2>&1\r\n",
    "lambda s: s.replace('\\n', ' ')[::-{n}]  # TODO({noun})",
)


def sentence(rng: Random) -> str:
    parts = [rng.choice(NAMES), rng.choice(VERBS), rng.choice(("the", "a", "no", "her", "every")), rng.choice(NOUNS)]
    parts += [rng.choice(PLACES)] * rng.randrange(2)
    return " ".join(parts) + rng.choice((".", "!", "?", ",", ";", " .", "...", '."', "", ")"))


def prose(rng: Random) -> str:
    return " ".join(rng.choice(PROSE) for _ in range(rng.randrange(1, 5)))


def clipped_prose(rng: Random) -> str:
    """Words begin and end where no sentence does."""
    text = prose(rng)
    start = rng.randrange(len(text))
    return text[start : start + rng.randrange(1, 60)]


def paragraph(rng: Random) -> str:
    breaks = (" ", " ", "  ", "\n", "\n\n", "\r\n", " \n", "\n ", "\n\n\n\n", "\t")
    return "".join(sentence(rng) + rng.choice(breaks) for _ in range(rng.randrange(2, 9)))


def dialogue(rng: Random) -> str:
    turns = [rng.choice(('"{}"', "{}", "- {}", "“{}”")).format(rng.choice(REMARKS)) for _ in range(rng.randrange(1, 5))]
    return rng.choice(("\n", "  ", " ", "__end__ __start__", "</s> <s>", "\n\n")).join(turns)


def special_tokens(rng: Random) -> str:
    glue = ("", "", " ", " ", "  ", "\n", "\t", "\u00a0")
    items = [rng.choice(rng.choice((SPECIALS, SPECIALS, NEARLY_SPECIAL, NOUNS))) for _ in range(rng.randrange(1, 8))]
    return "".join(rng.choice(glue) + item for item in items) + rng.choice(glue)


def alphabet_word(rng: Random) -> str:
    first, last = rng.choice(ALPHABETS)
    return "".join(chr(rng.randint(first, last)) for _ in range(rng.randrange(1, 9)))


def foreign_words(rng: Random) -> str:
    return rng.choice((" ", " ", "", ", ")).join(alphabet_word(rng) for _ in range(rng.randrange(1, 9)))


def marked_letters(rng: Random) -> str:
    def letter() -> str:
        return alphabet_word(rng)[0] + "".join(rng.choice(MARKS) for _ in range(rng.randrange(4)))

    return " ".join("".join(letter() for _ in range(rng.randrange(1, 6))) for _ in range(rng.randrange(1, 6)))


def strewn(items: tuple[str, ...]) -> Recipe:
    """A recipe that strews `items` among words, with and without space."""

    def recipe(rng: Random) -> str:
        glue = ("", "", " ", " ", "\n")
        parts = [rng.choice(items) if rng.random() < 0.7 else rng.choice(NOUNS) for _ in range(rng.randrange(1, 10))]
        return "".join(part + rng.choice(glue) for part in parts)

    return recipe


def filled(templates: tuple[str, ...], joins: tuple[str, ...]) -> Recipe:
    """A recipe that fills {noun} and {n} of some `templates` and joins them."""

    def recipe(rng: Random) -> str:
        pieces = []
        for _ in range(rng.randrange(1, 6)):
            n = rng.randrange(10 ** rng.randrange(1, 19))
            pieces.append(rng.choice(templates).format(noun=rng.choice(NOUNS), n=n))
        return rng.choice(joins).join(pieces)

    return recipe


def long_words(rng: Random) -> str:
    unit = rng.choice(listed("a|ha|xyz|!|—|😂|ÄÖ|the|_|0|ab@@|Σ|字|e\u0301|lol"))
    return unit * rng.randrange(10, 400) + rng.choice(("", " end", "\n"))


def any_characters(rng: Random) -> str:
    points = [rng.randrange(0x20, rng.choice((0x3000, 0x10FFFE))) for _ in range(rng.randrange(1, 20))]
    return "".join(chr(point) for point in points if not 0xD800 <= point <= 0xDFFF)  # no lone surrogates


def short(rng: Random) -> str:
    items = rng.choice((listed("|a|A|i|ß|字"), SPACES, PUNCTUATION, SPECIALS, INVISIBLE, CASES, EMOJI, MARKS))
    return rng.choice(items)


def shouting(rng: Random) -> str:
    text = sentence(rng)
    return rng.choice((text.upper(), text.title(), text.swapcase(), " ".join(text), text.replace(" ", ""), text[::-1]))


RECIPES: tuple[Recipe, ...] = (
    *(
        sentence,
        sentence,
        prose,
        clipped_prose,
        paragraph,
        paragraph,
        dialogue,
        dialogue,
        special_tokens,
        special_tokens,
    ),
    *(foreign_words, foreign_words, marked_letters, long_words, any_characters, short, shouting),
    *(filled(NUMBERS, (" ", ", ", "\n")), filled(ADDRESSES, (" ",)), filled(CODE, ("", "\n"))),
    *(strewn(items) for items in (SPACES, INVISIBLE, CASES, EMOJI, PUNCTUATION, MARKUP, CLITICS)),
)


def mixture(rng: Random) -> str:
    glue = ("", "", " ", "\n", " ", rng.choice(SPACES), rng.choice(SPECIALS))
    return "".join(rng.choice(RECIPES)(rng) + rng.choice(glue) for _ in range(rng.randrange(2, 5)))


def make_texts(count: int = COUNT, seed: int = SEED) -> list[str]:
    """The first `count` of the strings, all different: every recipe in turn, a mixture at every fourth place."""
    rng = Random(seed)
    texts: dict[str, None] = {}
    turn = 0
    while len(texts) < count:
        texts[mixture(rng) if turn % 4 == 3 else RECIPES[turn % len(RECIPES)](rng)] = None
        turn += 1
    return list(texts)


def checksum(texts: list[str]) -> str:
    """Names a list of texts: a golden made from another list is refused."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode("utf-8") + b"\xff")  # 0xff is no UTF-8: no two lists join to the same bytes
    return digest.hexdigest()[:16]
