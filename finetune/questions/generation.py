"""The generator: kinds of question and their shares, drafts, the check against the catalogue, noise."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from random import Random

from finetune.questions import absent, answer_kinds, lookalikes, noise, search_kinds
from finetune.questions.census import Wanted, holders
from finetune.questions.corpus import Corpus
from finetune.questions.drafts import Draft, Shelf, uids_of
from retrieval.errors import UsageError
from retrieval.question_file import Question
from retrieval.schema import Product

Maker = Callable[[Product, Shelf, Random], Draft | None]
Slot = tuple[str, str]  # kind and language


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of question.

    Attributes:
        summary: What it asks, for listings.
        english: Writes a draft from a product, or None where the product gives nothing to ask.
        portuguese: The same in Portuguese; None for kinds that are asked in English only.
        drafts: How many to write for each question wanted, since some fit more or fewer products than they should.
    """

    summary: str
    english: Maker
    portuguese: Maker | None = None
    drafts: int = 3


KINDS: dict[str, Kind] = {
    "partial-title": Kind("some words of the title", search_kinds.partly_titled, search_kinds.searched_pt),
    "brand-kind": Kind("brand or device, and the kind of thing", search_kinds.by_brand),
    "author-theme": Kind("a book's author and something in it", search_kinds.by_author),
    "content-words": Kind(
        "words of the description, none of the title", search_kinds.by_content, search_kinds.described_pt
    ),
    "remembered": Kind("the kind of thing and one thing remembered", search_kinds.by_a_fact, search_kinds.described_pt),
    "what-like": Kind("what a product is like", search_kinds.what_like, search_kinds.what_like_pt),
    "fact": Kind("what the listing says", answer_kinds.stated, answer_kinds.stated_pt),
    "unsaid": Kind("what the listing does not say", answer_kinds.unsaid, answer_kinds.unsaid_pt),
    "absent": Kind("what the catalogue does not hold", absent.nowhere, absent.nowhere_pt),
    "lookalikes": Kind("what several products fit", lookalikes.shared_words, drafts=20),
}
SHARES: dict[str, float] = {
    "partial-title": 0.07,
    "brand-kind": 0.06,
    "author-theme": 0.02,
    "content-words": 0.11,
    "remembered": 0.08,
    "what-like": 0.04,
    "fact": 0.36,
    "unsaid": 0.15,
    "absent": 0.07,
    "lookalikes": 0.04,
}
"""Shares of the kinds among all questions: near to those of hand-written ones, with more to find by description."""
NOISES: dict[str, float] = {"typo": 0.20, "partial": 0.22, "pt": 0.10}
"""Shares of misspelt and of cut-off questions among the English ones that are not vague, and of Portuguese ones."""
MOST_USES = 3
"""Questions that are made from one product, each of another kind."""
_POOL = 20_000
_POOL_PER_QUESTION = 2
_SPARE_DRAFTS = 20
_MOST_CLOSE = 3


def generate(
    products: Iterable[Product],
    count: int,
    *,
    seed: int = 0,
    shares: Mapping[str, float] | None = None,
    seen: Container[str] = frozenset(),
) -> list[Question]:
    """Write questions that shoppers would ask of products.

    Products are drawn uniformly; each is asked about ``MOST_USES`` times at most, each time in another kind. The words
    that point to a product are looked up in the whole catalogue, so that ``uids`` name every product that fits and a
    question about one product fits no other. Equal arguments give equal questions on any machine.

    Args:
        products: The catalogue. A sequence is read where it stands, once through and some twenty thousand rows at
            random; anything else is read into memory.
        count: Questions to write.
        seed: Of all chance.
        shares: Shares that differ from ``SHARES`` (kinds) and ``NOISES``; kinds that are not named share what is left.
        seen: Uids of products that no question asks about.

    Returns:
        At most ``count`` questions in random order; fewer where the catalogue gives no more.

    Raises:
        UsageError: ``count`` is below 1, the catalogue is empty or was all seen, a share is unknown or out of range.
    """
    if count < 1:
        raise UsageError(f"count is {count}; it must be at least 1.")
    kinds, noises = resolve_shares(shares or {})
    catalogue = products if isinstance(products, Sequence) else list(products)
    if not catalogue:
        raise UsageError("There are no products to ask about.")
    pool = _pool(catalogue, max(_POOL, _POOL_PER_QUESTION * count), seed)
    unseen = [product for product in pool if not any(uid in seen for uid in uids_of(product))]
    if not unseen:
        raise UsageError(f"All of the {len(pool)} products were seen; there is none to ask about.")
    shelf = Shelf(unseen, Corpus(pool))
    wanted = _wanted(kinds, noises["pt"], count)
    drafts = {
        (kind, lang): _drafts(kind, lang, number, shelf, seed) for (kind, lang), number in wanted.items() if number
    }
    checked = _checked(drafts, catalogue, shelf)
    allowed = {slot: [pair for pair in pairs if not _asks_of(pair[1], seen)] for slot, pairs in checked.items()}
    chosen = _chosen(allowed, wanted, count)
    random = Random(f"{seed}:noise")
    questions = [_noisy(draft, random, noises) for draft in chosen]
    random.shuffle(questions)
    return questions


def resolve_shares(shares: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """Lay given shares over the defaults.

    Returns:
        Shares of kinds, which sum to 1, and of noises.

    Raises:
        UsageError: A name is unknown, a share is not in [0, 1], or the shares of the kinds sum to more than 1.
    """
    known = [*SHARES, *NOISES]
    for name, share in shares.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            raise UsageError(f"No kind of question is named {name!r} ({', '.join(known)}){meant}")
        if not 0 <= share <= 1:
            raise UsageError(f"The share of {name} is {share}; it must be between 0 and 1.")
    given = {name: share for name, share in shares.items() if name in SHARES}
    left, others = 1 - sum(given.values()), sum(share for name, share in SHARES.items() if name not in given)
    if left < -1e-9 or (left > 1e-9 and not others):
        raise UsageError(
            f"The shares of the kinds sum to {1 - left:g}; they must sum to 1, or to less with kinds left over."
        )
    kinds = {name: given.get(name, share * max(0.0, left) / (others or 1)) for name, share in SHARES.items()}
    return kinds, {name: shares.get(name, share) for name, share in NOISES.items()}


def _pool(catalogue: Sequence[Product], size: int, seed: int) -> list[Product]:
    rows = Random(f"{seed}:pool").sample(range(len(catalogue)), min(size, len(catalogue)))
    return [catalogue[row] for row in sorted(rows)]


def _wanted(kinds: Mapping[str, float], portuguese: float, count: int) -> dict[Slot, int]:
    """Split a count by kind and language; Portuguese takes its share of all questions from the kinds that have it."""
    able = sum(share for name, share in kinds.items() if KINDS[name].portuguese)
    part = min(1.0, portuguese / able) if able else 0.0
    shares = {}
    for name, share in kinds.items():
        of_it = part if KINDS[name].portuguese else 0.0
        shares[name, "en"], shares[name, "pt"] = share * (1 - of_it), share * of_it
    return _apportioned(shares, count)


def _apportioned(shares: Mapping[Slot, float], count: int) -> dict[Slot, int]:
    """Split a number by shares that sum to 1, by largest remainder."""
    whole = {slot: int(share * count + 1e-9) for slot, share in shares.items()}
    left = count - sum(whole.values())
    for slot in sorted(shares, key=lambda slot: whole[slot] - shares[slot] * count)[:left]:
        whole[slot] += 1
    return whole


def _drafts(kind: str, lang: str, number: int, shelf: Shelf, seed: int) -> list[tuple[Product, Draft]]:
    """Write drafts of a kind from products in random order, more than are wanted since some will be dropped."""
    random = Random(f"{seed}:{kind}:{lang}")
    maker = KINDS[kind].portuguese if lang == "pt" else KINDS[kind].english
    if maker is None:
        return []
    drafts = (
        (product, maker(product, shelf, random)) for product in random.sample(shelf.products, len(shelf.products))
    )
    written = (
        (product, replace(draft, question=replace(draft.question, maker=kind, lang=lang)))
        for product, draft in drafts
        if draft
    )
    return list(islice(written, KINDS[kind].drafts * number + _SPARE_DRAFTS))


def _checked(
    drafts: Mapping[Slot, list[tuple[Product, Draft]]], catalogue: Sequence[Product], shelf: Shelf
) -> dict[Slot, list[tuple[Product, Draft]]]:
    """Keep the drafts whose mention fits as many products as it should, their ``uids`` completed."""
    flat = [(slot, product, draft) for slot, pairs in drafts.items() for product, draft in pairs]
    wanted = [Wanted(draft.mention, in_title=draft.fit == "several") for _, _, draft in flat]
    kept: dict[Slot, list[tuple[Product, Draft]]] = {slot: [] for slot in drafts}
    for (slot, product, draft), found in zip(flat, holders(wanted, catalogue, shelf.corpus), strict=True):
        question = _fitting(draft, found)
        if question is not None:
            kept[slot].append((product, replace(draft, question=question)))
    return kept


def _asks_of(draft: Draft, seen: Container[str]) -> bool:
    return any(uid in seen for uid in draft.question.uids)


def _fitting(draft: Draft, found: list[Product]) -> Question | None:
    if draft.fit == "several":
        return lookalikes.told_apart(draft, found)
    if draft.fit == "none":
        return None if found else draft.question
    if not 1 <= len(found) <= (1 if draft.fit == "exact" else _MOST_CLOSE):
        return None
    others = [uid for product in found for uid in uids_of(product) if uid not in draft.question.uids]
    return replace(draft.question, uids=(*draft.question.uids, *others))


def _chosen(checked: Mapping[Slot, list[tuple[Product, Draft]]], wanted: Mapping[Slot, int], count: int) -> list[Draft]:
    """Take the wanted number of each kind, then fill up from what other kinds have to spare."""
    uses: Counter[str] = Counter()
    seen: set[str] = set()
    chosen: list[Draft] = []
    spare: list[list[tuple[Product, Draft]]] = []

    def take(pairs: list[tuple[Product, Draft]], number: int) -> list[tuple[Product, Draft]]:
        taken = 0
        for place, (product, draft) in enumerate(pairs):
            if taken == number:
                return pairs[place:]
            is_free = draft.fit == "none" or uses[product.uid] < MOST_USES
            said = draft.question.question.lower()
            if is_free and said not in seen:
                seen.add(said)
                uses[product.uid] += draft.fit != "none"
                chosen.append(draft)
                taken += 1
        return []

    for slot in sorted(checked, key=lambda slot: (len(checked[slot]), slot)):
        spare.append(take(checked[slot], wanted[slot]))
    while len(chosen) < count and any(spare):
        spare = [take(pairs, 1) if len(chosen) < count else [] for pairs in spare]
    return chosen


def _noisy(draft: Draft, random: Random, noises: Mapping[str, float]) -> Question:
    question = draft.question
    drawn = random.random()
    if question.lang == "en" and question.noise == "none":
        if drawn < noises["typo"]:
            text = noise.misspelt(noise.typed(question.question, random), random)
            return replace(question, question=text, noise="typo")
        if drawn < noises["typo"] + noises["partial"] and (text := noise.cut_off(draft.template, draft.said, random)):
            return replace(question, question=noise.typed(text, random).rstrip("?"), noise="partial")
    return replace(question, question=noise.typed(question.question, random))
