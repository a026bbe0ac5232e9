"""Questions of people who look for a product, or want to know what it is like."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from finetune.questions import portuguese
from finetune.questions.drafts import Draft, Shelf, uids_of
from finetune.questions.frames import frames
from finetune.questions.mentions import brand_and_kind, definite, mention_of, partial_title
from finetune.questions.names import Name
from finetune.questions.phrases import Phrase
from finetune.questions.wording import (
    FUNCTION_WORDS,
    article,
    content_terms,
    joined,
    other_words,
)
from retrieval.question_file import Question
from retrieval.schema import Product
from retrieval.text import sentences, terms

_LONGEST_ANSWER = 300
_TELLING = 3
_MEMORABLE = 10
_LONGEST_DESCRIPTION = 16
_LONGEST_THEME = 4
_BY_AUTHOR = (
    "that {bare} {kind} by {author}",
    "{author} {kind} about {theme}",
    "{kind} by {author} with {theme}",
    "{author}, the one about {theme}",
    "the {author} one with {theme}",
    "something by {author} about {theme}",
)
_ANY_THING = ("thing", "something", "one of those things", "gadget", "item", "stuff")
_ANY_WORK = {
    "novel": ("book", "story", "novel", "a read"),
    "cookbook": ("recipe book", "cookery book", "book"),
    "memoir": ("true story", "life story", "book"),
    "poetry book": ("verse collection", "book"),
    "picture book": ("kids book", "bedtime story", "book for little ones"),
    "kids book": ("children's story", "book for kids", "story"),
    "cd": ("record", "music", "album"),
    "dvd": ("film", "movie"),
}


def partly_titled(product: Product, shelf: Shelf, random: Random) -> Draft | None:
    """Look for a product by some words of its title."""
    return _search(product, shelf.name(product), partial_title(shelf.name(product), random), random)


def by_brand(product: Product, shelf: Shelf, random: Random) -> Draft | None:
    """Look for a product by its brand, or what it is for, and the kind of thing."""
    return _search(product, shelf.name(product), brand_and_kind(shelf.name(product), random), random)


def by_author(product: Product, shelf: Shelf, random: Random) -> Draft | None:
    """Look for a book by its author and something in it."""
    name = shelf.name(product)
    if not name.author:
        return None
    surname = name.author.split()[-1]
    themes = [
        phrase.text
        for phrase in shelf.phrases(product)
        if phrase.role in ("theme", "part")
        and len(phrase.text.split()) <= _LONGEST_THEME
        and surname not in phrase.text
    ]
    if not themes:
        return None
    theme = random.choice(themes[:_MEMORABLE])
    author = random.choice([name.author, surname])
    bare = joined(word for word in theme.split() if word not in FUNCTION_WORDS)
    said = random.choice(_BY_AUTHOR).format(author=author, theme=theme, bare=bare, kind=name.kind or "book")
    return Draft.of("{product}", said, _identify(product, "none"), "close", pointer=f"{author} {theme}")


def by_content(product: Product, shelf: Shelf, random: Random) -> Draft | None:
    """Look for a product by words of its description, none of which stands in its title."""
    own = frozenset(terms(product.title))
    name = shelf.name(product)
    phrases = [
        phrase for phrase in shelf.phrases(product) if phrase.text.islower() and not phrase.shares_a_term_with(own)
    ]
    chosen = _choose(phrases, random)
    things = [thing for thing in _things(name) if not content_terms(thing) & own]
    if not things or len({term for phrase in chosen for term in content_terms(phrase.text)}) < _TELLING:
        return None
    thing = random.choice(things)
    text = _description(thing, chosen, random)
    frame = "{product}" if thing in {"something", "stuff", "one of those things"} else random.choice(frames("vague"))
    pointer = " ".join(phrase.text for phrase in chosen)
    draft = Draft.of(worded(frame, text, thing, random), text, _identify(product, "vague"), "close", pointer=pointer)
    return None if content_terms(draft.question.question) & own or len(text.split()) > _LONGEST_DESCRIPTION else draft


def by_a_fact(product: Product, shelf: Shelf, random: Random) -> Draft | None:
    """Look for a product by its kind and one thing that one remembers of it."""
    found = remembered(product, shelf, random)
    if found is None:
        return None
    text, pointer = found
    frame = "{product}" if text.startswith(("the ", "that ")) else random.choice(frames("vague"))
    template = worded(frame, text, shelf.name(product).kind, random)
    return Draft.of(template, text, _identify(product, "vague"), "close", pointer=pointer)


def remembered(product: Product, shelf: Shelf, random: Random) -> tuple[str, str] | None:
    """Describe a product by its kind and one phrase of its description; returns the text and the words to look for."""
    name = shelf.name(product)
    own = frozenset(terms(product.title))
    phrases = [phrase for phrase in shelf.phrases(product) if not phrase.shares_a_term_with(own)]
    if not phrases or not name.kind:
        return None
    kind = random.choice([name.kind, name.kind, name.kind.split()[-1], joined([name.variant, name.kind])])
    thing = random.choice([kind, kind, f"the {kind}", f"that {kind}"])
    phrase = random.choice(phrases[:_MEMORABLE])
    return f"{thing} {_clause(phrase, random, thing)}", f"{kind} {phrase.text}"


def what_like(product: Product, shelf: Shelf, random: Random) -> Draft | None:
    """Ask what a product is like."""
    name = shelf.name(product)
    mention = mention_of(name, random)
    if not mention:
        return None
    frame = random.choice(frames("opinions_of_works" if name.is_work else "opinions"))
    return Draft.of(worded(frame, mention, name.kind or mention, random), mention, _identify(product, "none"), "close")


def searched_pt(product: Product, shelf: Shelf, random: Random) -> Draft | None:
    """Look for a product in Portuguese by what its title says."""
    return portuguese.searched(product, shelf, random, _identify(product, "none"))


def described_pt(product: Product, shelf: Shelf, random: Random) -> Draft | None:
    """Look for a product in Portuguese by what its description says."""
    return portuguese.described(product, shelf, random, _identify(product, "vague"))


def what_like_pt(product: Product, shelf: Shelf, random: Random) -> Draft | None:
    """Ask in Portuguese what a product is like."""
    return portuguese.judged(product, shelf, random, _identify(product, "none"))


def _search(product: Product, name: Name, mention: str, random: Random) -> Draft | None:
    if not mention:
        return None
    frame = random.choice(frames("searches"))
    template = frame.replace("{a}", "{product}") if name.is_work else frame
    return Draft.of(
        worded(template, mention, name.kind or mention, random), mention, _identify(product, "none"), "close"
    )


def worded(frame: str, mention: str, noun: str, random: Random) -> str:
    """Replace ``{a}`` and ``{the}`` of a frame by ``{product}`` with the article that the mention takes."""
    indefinite = joined([article(mention, noun), "{product}"])
    return frame.replace("{a}", indefinite).replace("{the}", definite(mention, random).replace(mention, "{product}"))


def _things(name: Name) -> list[str]:
    if name.is_work:
        return [*_ANY_WORK.get(name.kind, ("book", "book", "read")), *((name.kind,) if name.kind else ())]
    noun = name.kind.split()[-1] if name.kind else ""
    known = other_words().get(noun, ()) or other_words().get(noun.removesuffix("s"), ())
    return [*(known or _ANY_THING)]


def _choose(phrases: list[Phrase], random: Random) -> list[Phrase]:
    if not phrases:
        return []
    first = random.choice(phrases[:_MEMORABLE])
    others = [
        phrase for phrase in phrases[: 2 * _MEMORABLE] if not phrase.shares_a_term_with(content_terms(first.text))
    ]
    return [first, *random.sample(others, min(1, len(others)))]


def _description(thing: str, phrases: list[Phrase], random: Random) -> str:
    clauses = [_clause(phrase, random, thing) for phrase in phrases]
    text = f"{thing} {clauses[0]}"
    for before, clause in pairwise(clauses):
        link = clause.split()[0]
        if link == before.split()[0] and link != "that":
            text += f"{random.choice([' and', ' and', ','])} {clause.removeprefix(link).strip()}"
        else:
            text += f"{random.choice([' and', ',', ''])} {clause}"
    return text


def _clause(phrase: Phrase, random: Random, thing: str) -> str:
    if phrase.role == "action":
        return f"that {phrase.text}"
    if phrase.role == "purpose":
        return f"for {phrase.text}"
    if phrase.role == "theme":
        return f"about {phrase.text}"
    first = phrase.text.split()[0]
    bare = first not in FUNCTION_WORDS and not first[0].isdigit() and phrase.text.islower()
    return joined(
        ["with", "the" if bare and thing.startswith(("the ", "that ")) and random.random() < 0.5 else "", phrase.text]
    )


def _identify(product: Product, noise: str) -> Question:
    """Return the question of a product to find; the answer is the description's first sentence that says something."""
    said = [
        sentence
        for sentence in sentences(product.content)
        if len(sentence.split()) > 4 and len(sentence) <= _LONGEST_ANSWER
    ]
    answer = said[0] if said else ""
    return Question("", "identify", uids_of(product), answer, answer, noise=noise)
