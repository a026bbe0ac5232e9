"""Portuguese questions over an English catalogue: the search lexicon, read from English to Portuguese."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from random import Random

from finetune.questions.drafts import Draft, Fit, Shelf
from finetune.questions.frames import frames
from finetune.questions.names import Name
from finetune.questions.phrases import Phrase
from finetune.questions.wording import ACTIONS, DECORATION, FUNCTION_WORDS, content_terms, joined
from retrieval.portuguese import LEXICON, fold, is_portuguese
from retrieval.question_file import Question
from retrieval.schema import Product

_WORKS = {
    "novel": "o romance", "cookbook": "o livro de receitas", "memoir": "o livro", "poetry book": "o livro de poesia",
    "picture book": "o livro infantil", "kids book": "o livro infantil", "guide": "o guia", "textbook": "o livro",
    "cd": "o cd", "dvd": "o filme", "magazine": "a revista", "book": "o livro",
}  # fmt: skip
_SMALL_WORDS = {"with": "com", "of": "de", "for": "para", "in": "em", "on": "em", "from": "de", "and": "e"}
_FEMININE = re.compile(r"(?:a|ade|agem|cao|sao|pele|chave|base|rede|torre|ponte|estante|haste|lente|fonte)s?$")
_ADJECTIVE = re.compile(
    r"(?:vel|veis|[aio]d[oa]s?|os[oa]s?|ntes?|ic[oa]s?|ais|al|eir[oa]s?|til|teis|ar|ares|iv[oa]s?|an[oa]s?|enas?|enos?|[nr]gr[oa]s?)$"
)
_SHOP_SENSES = {
    "cover": "capa",
    "skin": "capa",
    "headset": "fone de ouvido",
    "battery": "bateria",
    "clear": "transparente",
    "gift": "presente",
    "caps": "tampas",
}
_COLOUR = re.compile(
    r"^(?:pret|negr|branc|vermelh|amarel|azul|verde|rosa|cinza|rox|prata|dourad|laranja|marrom|clar|escur)"
)
_CONTRACTED = {
    r"de (?=[oa]s? )": "d",
    r"em (?=[oa]s? )": "n",
    r"por (?=[oa]s? )": "pel",
    r"a (?=os? )": "a",
    r"é (?=[oa]s )": "são ",
    r"qual são": "quais são",
}
_ACCENTS_KEPT = 0.6


@cache
def _dictionary() -> dict[str, str]:
    """Return a Portuguese word for each English one of the lexicon: a main sense, one with a plural, the shortest."""
    rows = [line.split("\t") for line in LEXICON.read_text(encoding="utf-8").splitlines()]
    senses: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for said, english in rows:
        alternatives = english.split("|")
        for place, word in enumerate(alternatives):
            senses[word.lower()].append((said, place, len(alternatives)))
    chosen = {}
    for word, found in senses.items():
        saids = {said for said, _, _ in found}
        chosen[word] = min(
            found, key=lambda sense: (sense[1], f"{sense[0]}s" not in saids, sense[2], len(sense[0]), sense[0])
        )[0]
    return chosen | _SHOP_SENSES


def translated(word: str) -> str:
    """Translate one English word; empty when the lexicon does not know it."""
    low = word.lower()
    if low in ACTIONS | DECORATION:
        return ""
    if low in _dictionary():
        return _dictionary()[low]
    for ending, rest in (("ies", "y"), ("es", ""), ("s", "")):
        stem = low.removesuffix(ending) + rest
        if low.endswith(ending) and stem in _dictionary():
            return _plural(_dictionary()[stem])
    return ""


def _plural(word: str) -> str:
    return word if word.endswith("s") else f"{word}s" if word[-1] in "aeiou" else f"{word}es"


def _noun_phrase(english: list[str]) -> str:
    """Translate modifiers and noun into noun and modifiers; empty when the noun is unknown."""
    noun = translated(english[-1])
    if not noun:
        return ""
    feminine = bool(_FEMININE.search(noun.split()[0]))
    text = noun
    for word in reversed(english[:-1]):
        said = translated(word)
        if not said:
            continue
        if _ADJECTIVE.search(said) or _COLOUR.search(said):
            text += f" {_agreeing(said, feminine)}"
        else:
            text += f" de {said}"
    return text


def _agreeing(adjective: str, feminine: bool) -> str:
    if feminine and adjective.endswith("o"):
        return f"{adjective[:-1]}a"
    if not feminine and adjective.endswith("a") and not adjective.startswith(("rosa", "cinza", "prata", "laranja")):
        return f"{adjective[:-1]}o"
    return adjective


def _article(phrase: str, *, definite: bool) -> str:
    first = phrase.split()[0]
    feminine, plural = bool(_FEMININE.search(first)), first.endswith("s") and first != "lapis"
    if definite:
        return f"{'a' if feminine else 'o'}{'s' if plural else ''}"
    return "" if plural else "uma" if feminine else "um"


def _mention(name: Name, random: Random) -> tuple[str, str]:
    """Return a Portuguese mention and the English words that it stands for; both empty when too little is known."""
    if name.is_work:
        author = f" de {name.author}" if name.author and random.random() < 0.4 else ""
        return f"{_WORKS.get(name.kind, 'o livro')} {name.title}{author}", joined([name.title, author])
    others = [word for word in name.core if word not in name.kind.split() and translated(word)]
    modifiers = sorted(random.sample(others, min(len(others), random.randint(0, 2))), key=name.core.index)
    if name.variant and translated(name.variant) and random.random() < 0.4:
        modifiers.append(name.variant)
    kind = name.kind.split()
    thing = _noun_phrase([*modifiers, *kind]) if kind else ""
    if not thing or not (name.brand or name.target or modifiers):
        return "", ""
    target = f"para {name.target}" if name.target else ""
    brand = f"da {name.brand}" if name.brand and (not target or random.random() < 0.4) else ""
    known = [word for word in kind if translated(word)]
    pointer = joined([name.brand if brand else "", *modifiers, *known, name.target if target else ""])
    return joined([thing, target, brand]), pointer


def _framed(frame: str, mention: str) -> tuple[str, str]:
    fixed = mention.split()[0] in {"o", "a"}
    for mark, definite in (("{o}", True), ("{uma}", False)):
        article = "" if fixed else _article(mention, definite=definite)
        frame = frame.replace(mark, joined([article, "{product}"]))
    return frame, mention


def searched(product: Product, shelf: Shelf, random: Random, question: Question) -> Draft | None:
    """Look for a product in Portuguese, by what its title says."""
    return _asked(random.choice(frames("searches", "portuguese")), shelf.name(product), random, question, "close")


def judged(product: Product, shelf: Shelf, random: Random, question: Question) -> Draft | None:
    """Ask in Portuguese what a product is like."""
    return _asked(random.choice(frames("opinions", "portuguese")), shelf.name(product), random, question, "close")


def asked(template: str, product: Product, shelf: Shelf, random: Random, question: Question) -> Draft | None:
    """Put the mention of a product, with its article, into a Portuguese template that holds ``{product}``."""
    return _asked(template.replace("{product}", "{o}"), shelf.name(product), random, question, "exact")


def missed(name: Name, random: Random, question: Question) -> Draft | None:
    """Ask in Portuguese for something that is not there, called by a composed name."""
    return _asked(random.choice(frames("absent", "portuguese")), name, random, question, "none")


def described(product: Product, shelf: Shelf, random: Random, question: Question) -> Draft | None:
    """Describe a product in Portuguese by two phrases of its listing, each of whose words the lexicon knows."""
    name = shelf.name(product)
    found = [(phrase, _phrase(phrase)) for phrase in shelf.phrases(product) if phrase.role != "action"]
    known = [(phrase, said) for phrase, said in found if said][:8]
    thing = translated(name.kind.split()[-1]) if name.kind else ""
    if not known or not (thing or name.is_work):
        return None
    first = random.choice(known)
    others = [pair for pair in known if not pair[0].shares_a_term_with(content_terms(first[0].text))]
    chosen = [first, *random.sample(others, min(1, len(others)))]
    text = joined([thing or "livro", " e ".join(said for _, said in chosen)])
    template, mention = _framed(random.choice(frames("vague", "portuguese")), text)
    pointer = joined([*(phrase.text for phrase, _ in chosen), name.kind.split()[-1] if thing else ""])
    return _draft(template, mention, pointer, question, "close", random)


def _phrase(phrase: Phrase) -> str:
    """Translate a phrase with the preposition of its role; empty when a word is unknown."""
    groups: list[list[str]] = [[]]
    links: list[str] = []
    for word in phrase.text.split():
        if word in _SMALL_WORDS:
            links.append(_SMALL_WORDS[word])
            groups.append([])
        elif word not in FUNCTION_WORDS:
            groups[-1].append(word)
    if not all(groups) or not all(translated(word) for group in groups for word in group):
        return ""
    said = [_noun_phrase(group) for group in groups]
    text = said[0] + "".join(f" {link} {part}" for link, part in zip(links, said[1:], strict=True))
    return f"{'sobre' if phrase.role == 'theme' else 'para' if phrase.role == 'purpose' else 'com'} {text}"


def _asked(frame: str, name: Name, random: Random, question: Question, fit: Fit) -> Draft | None:
    mention, pointer = _mention(name, random)
    if not mention or not content_terms(pointer):
        return None
    template, said = _framed(frame, mention)
    return _draft(template, said, pointer, question, fit, random)


def _draft(template: str, mention: str, pointer: str, question: Question, fit: Fit, random: Random) -> Draft | None:
    text = template.replace("{product}", mention)
    for apart, together in _CONTRACTED.items():
        text = re.sub(rf"\b{apart}", together, text)
    if random.random() > _ACCENTS_KEPT:
        text = fold(text)
    if not is_portuguese(text):
        return None
    return Draft.of(text, "", question, fit, pointer=pointer)
