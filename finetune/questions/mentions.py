"""Mentions: short names that people put together from the parts of a title."""

from __future__ import annotations

from random import Random

from finetune.questions.names import Name
from finetune.questions.wording import FUNCTION_WORDS, joined

_LONGEST = 6


def brand_and_kind(name: Name, random: Random) -> str:
    """Mention a product by its brand, or what it is for, and the kind of thing; empty when its title tells neither."""
    if name.is_work or not name.kind or not (name.brand or name.target):
        return ""
    thing = joined([name.variant if random.random() < 0.3 else "", name.kind])
    if name.target and (not name.brand or random.random() < 0.6):
        return random.choice(
            [f"{name.target} {thing}", f"{thing} for the {name.target}", f"{thing} for my {name.target}"]
        )
    others = [word for word in name.core if word not in name.kind.split()]
    detail = random.choice(others) if others and random.random() < 0.5 else ""
    return random.choice([joined([name.brand, detail, thing]), joined([name.brand, thing]), f"{thing} by {name.brand}"])


def partial_title(name: Name, random: Random) -> str:
    """Mention a product by some words of its title, in their order; empty when there are too few."""
    if name.is_work:
        return _of_work(name, random)
    core = list(name.core)
    kind = name.kind.split()
    wanted = random.randint(2, _LONGEST - 1)
    while len(core) > wanted and (others := [place for place, word in enumerate(core) if word not in kind]):
        core.pop(random.choice(others))
    if name.kind and kind[-1] not in core:
        core.append(name.kind)
    brand = name.brand if random.random() < 0.8 or len(core) < 2 else ""
    variant = name.variant if random.random() < 0.4 else ""
    mention = joined([brand, variant, *core])
    if name.target and (random.random() < 0.7 or len(mention.split()) < 3):
        if brand and name.target.startswith(brand):
            mention = joined([variant, *core])
        return f"{mention} for {name.target}" if random.random() < 0.6 else f"{name.target} {mention}"
    return mention if len(mention.split()) > (1 if name.kind or name.brand else 2) else ""


def _of_work(name: Name, random: Random) -> str:
    said = name.title.split()
    title = " ".join(said[:_LONGEST]).rstrip(".,;:?!")
    while title.split()[-1].lower() in FUNCTION_WORDS and len(title.split()) > 2:
        title = title.rsplit(" ", 1)[0]
    if len(said) > 3 and random.random() < 0.4:
        start = random.choice(
            [place for place, word in enumerate(said[:-1]) if word.lower() not in FUNCTION_WORDS] or [0]
        )
        kept = [word.strip(".,;:?!") for word in said[start : start + 4]]
        while len(kept) > 1 and kept[-1].lower() in FUNCTION_WORDS:
            kept.pop()
        return joined([*kept, name.kind])
    if name.author and random.random() < 0.35:
        return f"{title} by {name.author.split()[-1]}"
    return random.choice([title, title, joined([title, name.kind]), joined([name.kind, title])])


def mention_of(name: Name, random: Random) -> str:
    """Mention a product as a buyer who has seen it does; empty when its title gives nothing to say."""
    mention = brand_and_kind(name, random) if random.random() < 0.45 else ""
    return mention or partial_title(name, random)


def definite(mention: str, random: Random) -> str:
    """Put ``the``, ``that`` or nothing before a mention."""
    if mention.split()[0].lower() in FUNCTION_WORDS:
        return mention
    return joined([random.choice(["the", "the", "that", ""]), mention])
