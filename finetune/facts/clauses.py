"""Where in a text a rule matches, and whether its clause is about the product."""

from __future__ import annotations

import re
from collections.abc import Iterator

from finetune.facts.attributes import head_of
from finetune.facts.grammar import Before, Rule, compiled, words
from retrieval.text import sentences

MAX_EVIDENCE_WORDS = 16
MAX_ANSWER_WORDS = 14

_WORD = re.compile(r"[\w’'-]+")
_TITLE_PARTS = re.compile(r"[,(\[|+:&]|\s[-–—]\s")
_CLAUSE_MARK = re.compile(r"[,;:.!?]\s+|\s-\s")
_SUBJECT_IS_OVER = ".;:!?)•|*–—"
_LAST_STOP = re.compile(r"(?<=[^.A-Z]{2})\.$|(?<=USA)\.$")
_RUN_TOGETHER = re.compile(
    r"[a-z]{3}[A-Z][a-z]|[a-z]\.[A-Z]|\d[A-Z][a-z]{3}|:\S|[a-z]{3}\d{2}"
    r"|[a-z)] (?:The|This|It|Its|One|Two|Three|You|Your|With|And|For|Includes|Features|Material|Colou?r|Size|Made) "
)
_LONGEST_SUBJECT = 6


def heads(title: str) -> frozenset[str]:
    """Return the words of a title that may name the product, in both numbers: none of what it is for or comes with."""
    named = " ".join(head_of(f" {part}") for part in _TITLE_PARTS.split(title))
    forms = _WORD.findall(named.lower())
    return frozenset(form for word in forms for form in (word, word + "s", word.removesuffix("s")))


class Clauses:
    """A text, read sentence by sentence."""

    def __init__(self, text: str, heads: frozenset[str]) -> None:
        """Split the text; ``heads`` are the words that name the product."""
        self.text = text
        self._own = heads | words("subjects")
        self._lower = text.lower()
        self._sentences: list[tuple[int, int, str]] = []
        end = 0
        for sentence in sentences(text):
            start = text.index(sentence, end)
            end = start + len(sentence)
            self._sentences.append((start, end, sentence.lower()))

    def read(self, rule: Rule) -> Iterator[tuple[str, str]]:
        """Yield answer and evidence wherever the rule matches and the clause is about the product."""
        if rule.hints and not any(hint in self._lower for hint in rule.hints):
            return
        for start, end, lower in self._sentences:
            if rule.hints and not any(hint in lower for hint in rule.hints):
                continue
            for match in rule.pattern.finditer(self.text, start, end):
                before = self.text[start : match.start()]
                if compiled("<NEGATION>").search(before) or not self._stands(rule.before, before):
                    continue
                if not rule.title and self._speaks_of_another_thing(match, start, end):
                    continue
                answer = _LAST_STOP.sub("", match["answer"].strip(" ,").rstrip(" -"))
                evidence = self._evidence(match, start, end)
                if answer in evidence and _is_whole(answer):
                    yield answer, evidence

    def _speaks_of_another_thing(self, match: re.Match[str], start: int, end: int) -> bool:
        search = compiled("<ANOTHER_THING>").search
        return bool(search(self.text, start, match.start()) or search(self.text, match.end(), end))

    def _stands(self, wanted: Before, before: str) -> bool:
        if wanted is Before.ANYTHING or not before.strip():
            return True
        if wanted is Before.CLAUSE:
            return compiled("<OPENING>").search(before) is not None
        if before.rstrip()[-1] in _SUBJECT_IS_OVER:
            return True
        return _is_subject(before, self._own)

    def _evidence(self, match: re.Match[str], start: int, end: int) -> str:
        """Widen a match to its sentence, else to its clause, else leave it as it is; empty when that is too long."""
        opens = start + max((mark.end() for mark in _CLAUSE_MARK.finditer(self.text[start : match.start()])), default=0)
        closing = _CLAUSE_MARK.search(self.text, match.end(), end)
        closes = closing.start() if closing else end
        for first, last in ((start, end), (opens, closes), match.span()):
            span = self.text[first:last].strip()
            if len(span.split()) <= MAX_EVIDENCE_WORDS:
                return span
        return ""


def _is_subject(before: str, own: frozenset[str]) -> bool:
    """Tell whether the subject that ends here is one of ``own``: the last noun of its clause before a preposition.

    After "and" it is the subject of the predicate before: the sentence opens with it.
    """
    clause = _CLAUSE_MARK.split(before)[-1] or before
    phrase = [word for word in _WORD.findall(clause.lower()) if word not in words("adverbs")]
    if phrase and phrase[-1] in ("that", "which"):
        phrase.pop()
    if phrase and phrase[-1] in ("and", "or"):
        phrase = _WORD.findall(before.lower())[:_LONGEST_SUBJECT]
        return not own.isdisjoint(_until_preposition(phrase))
    phrase = _until_preposition(phrase)
    if phrase[:1] in (["a"], ["an"]):  # a statement about all such things
        return False
    is_demonstrative = phrase[:1] in (["this"], ["these"]) and len(phrase) <= _LONGEST_SUBJECT
    return bool(phrase) and (is_demonstrative or phrase[-1] in own)


def _until_preposition(phrase: list[str]) -> list[str]:
    prepositions = words("prepositions")
    return phrase[: next((at for at, word in enumerate(phrase) if at and word in prepositions), len(phrase))]


def _is_whole(answer: str) -> bool:
    """Tell whether an answer is short, not run together with what follows, and its brackets are paired."""
    if len(answer.split()) > MAX_ANSWER_WORDS or answer.count("(") != answer.count(")"):
        return False
    return " " not in answer or _RUN_TOGETHER.search(answer) is None
