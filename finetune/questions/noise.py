"""Noise: slips of the fingers, questions cut off, keywords instead of sentences, no capitals, no question mark."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from finetune.questions.wording import FUNCTION_WORDS, word_list, word_pairs

_NEIGHBOURS = dict(word_pairs("neighbours"))
_SOUNDS = word_pairs("sounds")
_ENDINGS = word_pairs("endings")
_ASKING = word_list("asking")
_SHORTEST_TYPO = 4
_SHORTEST_CUT = 5
_WORDY = re.compile(r"[A-Za-z]+")


def misspelt(text: str, random: Random) -> str:
    """Misspell one to three words of a question, each by one slip.

    Returns:
        The question, changed in at least one word; unchanged when no word is long enough.
    """
    spots = [found for found in _WORDY.finditer(text) if len(found.group()) >= _SHORTEST_TYPO]
    if not spots:
        return text
    chosen = random.sample(spots, min(len(spots), random.choice([1, 1, 2, 2, 3])))
    for spot in sorted(chosen, key=lambda found: -found.start()):
        text = text[: spot.start()] + _slip(spot.group(), random) + text[spot.end() :]
    return text


def _slip(word: str, random: Random) -> str:
    slips: list[Callable[[str, Random], str]] = [_sound, _sound, _sound, _dropped, _swapped, _doubled, _neighbour]
    for _ in range(20):
        slipped = random.choice(slips)(word, random)
        if slipped.lower() != word.lower():
            return slipped
    return _dropped(word, random)


def _sound(word: str, random: Random) -> str:
    fitting = [(old, new) for old, new in _SOUNDS if old in word[1:] or (len(old) > 1 and old in word)]
    endings = [(old, new) for old, new in _ENDINGS if word.endswith(old) and len(word) > 4]
    if endings and (not fitting or random.random() < 0.3):
        old, new = random.choice(endings)
        return word.removesuffix(old) + new
    if not fitting:
        return word
    old, new = random.choice(fitting)
    place = word.rindex(old)
    return word[:place] + new + word[place + len(old) :]


def _dropped(word: str, random: Random) -> str:
    place = random.randrange(1, len(word))
    return word[:place] + word[place + 1 :]


def _swapped(word: str, random: Random) -> str:
    place = random.randrange(1, len(word) - 1)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def _doubled(word: str, random: Random) -> str:
    place = random.randrange(1, len(word))
    return word[:place] + word[place] + word[place:]


def _neighbour(word: str, random: Random) -> str:
    place = random.randrange(1, len(word))
    return word[:place] + random.choice(_NEIGHBOURS.get(word[place].lower(), word[place])) + word[place + 1 :]


def cut_off(template: str, mention: str, random: Random) -> str:
    """Ask in keywords, the mention first, or stop in the middle.

    Args:
        template: The question with ``{product}``, or without it when the mention cannot be told from the rest.
        mention: What stands for ``{product}``.
        random: Source of chance.

    Returns:
        The shorter question; empty when there is nothing to leave out.
    """
    if "{product}" not in template:
        return _stopped(template.rstrip("?"), random)
    before, after = template.rstrip("?").split("{product}", 1)
    asked = f"{before} {after}".replace("'s", "").split()
    rest = [
        word.strip(",-")
        for word in asked
        if word.lower().strip(",-") not in (FUNCTION_WORDS | _ASKING) - {"how", "many", "much"}
    ]
    if not rest:
        return _stopped(mention, random)
    if random.random() < 0.5:
        return f"{mention} {' '.join(rest)}".strip()
    if after.strip():
        return _stopped(f"{mention} {after.strip()}", random)
    return _stopped(f"{mention}{random.choice(['', ','])} {' '.join(rest)}", random)


def _stopped(text: str, random: Random) -> str:
    said = text.split()
    if len(said) < _SHORTEST_CUT:
        return ""
    last = said[-1].strip(",.")
    if len(last) > 4 and random.random() < 0.6:
        return " ".join([*said[:-1], last[: random.randint(2, len(last) - 2)]])
    return " ".join(said[:-1]) if len(said) > _SHORTEST_CUT else ""


def typed(text: str, random: Random) -> str:
    """Finish a question as people type: mostly lower case, often without a question mark."""
    text = " ".join(text.split())
    if random.random() < 0.55:
        text = text.lower()
    elif random.random() < 0.5:
        text = text[0].upper() + text[1:]
    if text.endswith("?") and random.random() < 0.4:
        text = text.removesuffix("?")
    return text.replace("'s ", "s ").replace("n't", "nt") if random.random() < 0.15 else text
