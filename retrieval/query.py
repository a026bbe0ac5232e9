"""From a question to what to look for.

A question is not a query: "tell me about", "what is the" or "me fale sobre" say nothing about the product, yet would
match titles such as "What If?". The frame is taken off the front for lexical search, while each stage of the question
is also looked for as a phrase of a title, so that a title that reads like a frame is found all the same.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from functools import cache

from retrieval.errors import QuestionError
from retrieval.portuguese import entries, is_portuguese
from retrieval.text import terms

MAX_QUESTION_CHARACTERS = 2_000
MAX_QUESTION_WORDS = 64

_SURROGATE = re.compile("[\ud800-\udfff]")
_WORD = re.compile(r"[^\W_]+")
_FRAME = re.compile(
    r"""\s*(?:
    # greetings and politeness
    (?:hi|hello|hey|hiya|please|pls|so|ok|okay|um|well|ol[aá]|oi|por\ favor|bom\ dia|boa\ tarde)
        (?:\ there|\ all|\ guys)?
    | (?:can|could|would|will)\ (?:you|u|someone|anyone)(?:\ please|\ pls)?
        (?=\ (?:tell|show|find|explain|describe|help|say|give|recommend)\b)
    # asking to be told
    | (?:tell|show)\ (?:me|us)(?:\ something|\ more|\ a\ bit|\ a\ little|\ all|\ everything)?(?:\ about|\ of|\ on)?
    | (?:describe|explain|find\ me|give\ me)(?:(?:\ some)?\ (?:details|info|information))?(?:\ about|\ on|\ of)?
    | (?:i|we)(?:\ would|'d)?\ (?:want|need|like|am\ looking|was\ looking|are\ looking)
        (?:\ to\ (?:know|find|buy|get)|\ for)?(?:\ more|\ out)?(?:\ about|\ for)?
    | (?:i'm|i\ am|im|we're)\ (?:looking|searching|hunting|trying)(?:\ for|\ to\ find|\ to\ remember)?
    | (?:do|did|does)\ (?:you|u|anyone|somebody|we)(?:\ guys)?\ (?:know|have|sell|carry|stock|got|remember)
        (?:\ of|\ about)?(?:\ any)?
    | (?:have\ (?:you|u)\ got|(?:is|are)\ there)(?:\ any)? | looking\ for | any\ (?:idea|chance)(?:\ of|\ about)?
    # asking what it is
    | (?:what|who|which|where)(?:\ exactly)?\ (?:is|are|was|were|does|do)
    | what's | whats | who's | how's | what\ about | how\ about | which\ one(?:\ is)?
    | (?:what|which)\ (?:kind|sort|type)\ of
    # the same in Portuguese
    | (?:me\ )?(?:fale|fala|conte|conta|diga|diz|explique|explica|descreva)(?:-me|\ me)?
        (?:\ mais|\ um\ pouco|\ tudo)?(?:\ sobre|\ d[aeo]s?)?
    | (?:o\ que|oque|o\ q|que|qual|quais|quem|onde)\ (?:[eé]|s[aã]o|era|foi|tem)
    | (?:voc[eê]s?|vcs?)\ (?:tem|t[eê]m|vendem?|conhecem?|sabem?)
    | (?:eu\ )?(?:quero|queria|preciso|procuro|gostaria|estou\ procurando|t[oô]\ procurando)
        (?:\ saber|\ comprar|\ encontrar)?(?:\ mais)?(?:\ sobre|\ de|\ por)?
    )\b
    # and the article that follows
    (?:\s+(?:the|a|an|that|this|those|these|some|my|os?|as?|uma?|aquel[ea]|ess[ea]|est[ea])\b)?
    [\s,:.!-]+""",
    re.IGNORECASE | re.VERBOSE,
)
_QUESTION_WORDS = """
    a an the of in on at to for from by with as and or but if so not no is are was were be it its this that these those
    there some any i me my you your we our do does did can could would will has have had get got how what which who
    where when why just about one
    o os um uma uns e ou de do da dos das em na nas por para com que se eh qual quais quem como quando onde quanto
    tem sao foi meu minha isso isto esse essa este esta aquele aquela"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A term that a question asks for.

    Attributes:
        spellings: The index term as typed, then what else it may stand for.
        weight: How much it tells, such as its inverse document frequency.
    """

    spellings: tuple[str, ...]
    weight: float = 1.0

    def is_among(self, held: Container[str]) -> bool:
        """Tell whether one of the spellings is held."""
        return any(spelling in held for spelling in self.spellings)


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for.

    Attributes:
        text: The question, white space folded, bounded in length: for the prompt.
        wanted: The question without its frame and without question words: for everything that compares words. Never
            empty: a question of such words alone ("What If?") keeps them.
        phrases: The question after each frame taken off: each may be a title.
        translation: The English words of a Portuguese question.
    """

    text: str
    wanted: tuple[Wanted, ...]
    phrases: tuple[str, ...]
    translation: str = ""

    @property
    def english(self) -> str:
        """What an English encoder reads."""
        return self.translation or self.text

    @property
    def terms(self) -> tuple[str, ...]:
        """All spellings of all terms, each once."""
        return tuple(dict.fromkeys(spelling for wanted in self.wanted for spelling in wanted.spellings))

    def coverage(self, held: Container[str]) -> float:
        """Return the share of the question's terms, by weight, that are held, in [0, 1]."""
        total = sum(wanted.weight for wanted in self.wanted)
        return self.weight_in(held) / total if total else 0.0

    def weight_in(self, held: Container[str]) -> float:
        """Return the weight of the question's terms that are held."""
        return sum(wanted.weight for wanted in self.wanted if wanted.is_among(held))


def parse_question(question: str) -> Query:
    """Read a question.

    Raises:
        QuestionError: It is empty, has no word, is longer than 2,000 characters, or holds half of a character.
    """
    text = " ".join(question.split())
    if not text:
        raise QuestionError("The question is empty; ask about a product.")
    if len(text) > MAX_QUESTION_CHARACTERS:
        raise QuestionError(f"The question has {len(text):,} characters; at most {MAX_QUESTION_CHARACTERS:,} are read.")
    if _SURROGATE.search(text):
        raise QuestionError("The question holds half of a UTF-16 surrogate pair, which is no character.")
    text = " ".join(text.split()[:MAX_QUESTION_WORDS])
    if not _terms(text):
        raise QuestionError(f"The question {text[:40]!r} has no word in it.")
    stages = [text]
    while (frame := _FRAME.match(stages[-1])) and _terms(stages[-1][frame.end() :]):
        stages.append(stages[-1][frame.end() :])
    found = entries(stages[-1]) if is_portuguese(text) else []
    translation = " ".join(entry.english[0] if entry.english else entry.said for entry in found)
    translated = [tuple(dict.fromkeys(terms(" ".join((entry.said, *entry.english))))) for entry in found]
    asked = [spellings for spellings in translated if spellings] or [
        (term,) for term in dict.fromkeys(_terms(stages[-1]))
    ]
    telling = [spellings for spellings in asked if spellings[0] not in _question_terms()]
    return Query(text, tuple(Wanted(spellings) for spellings in telling or asked), tuple(stages), translation)


def _terms(text: str) -> list[str]:
    """Return the index terms of a text, or its words as they are where all are too long to be terms of any product."""
    return terms(text) or _WORD.findall(text.lower())


@cache
def _question_terms() -> frozenset[str]:
    return frozenset(terms(_QUESTION_WORDS))
