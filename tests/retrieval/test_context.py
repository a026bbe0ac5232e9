from __future__ import annotations

from retrieval.context import ABOUT_AS_WELL, FAR_BELOW, TELLS_COUNT, Shown, choose_context, match
from retrieval.evidence import NOTHING
from retrieval.query import parse_question
from retrieval.schema import Hit, Product
from tests.fakes import KeywordRanker

MUG = Product("MUG1", "Harbour Mug", "Holds 300 ml. Dishwasher safe.")
BAMBOO = Product("DESK2", "Bamboo Desk", "A top of bamboo. Seats two.")


def long_desk() -> Product:
    filler = " ".join(f"Sentence number {number} says nothing at all." for number in range(40))
    return Product("DESK1", "Desk", f"{filler} The top is made of bamboo. {filler}")


class Scores:
    """A ranker with a score for each text that is known; others answer as little as the sentence that says so."""

    def __init__(self, **scores: float) -> None:
        self.scores = scores
        self.read: list[str] = []

    def score(self, pairs):
        import numpy as np

        self.read += [text for _, text in pairs]
        return np.asarray(
            [max([s for word, s in self.scores.items() if word in text], default=0.0) for _, text in pairs]
        )


def hits_of(*products: Product) -> list[Hit]:
    return [Hit(product, rank, 1.0) for rank, product in enumerate(products, start=1)]


def test_what_answers_is_shown_first_and_no_more_than_fits() -> None:
    desk = long_desk()
    (context,) = choose_context(KeywordRanker(), [(parse_question("is the desk bamboo?"), hits_of(desk))], max_words=40)
    (shown,) = context.shown
    assert shown.product == desk
    assert shown.spans[0] == "The top is made of bamboo."
    assert all(span in desk.content for span in shown.spans)
    assert sum(len(span.split()) for span in shown.spans) <= 40
    assert context.answers > 0


def test_a_product_that_matches_far_less_well_is_not_even_read() -> None:
    ranker = Scores(bamboo=2.0)
    (context,) = choose_context(ranker, [(parse_question("is the desk bamboo?"), hits_of(BAMBOO, MUG))])
    assert context.fitting == (BAMBOO,)
    assert context.matches == 1.0
    assert not any("Mug" in text for text in ranker.read)
    assert f"Bamboo Desk: {NOTHING}" in ranker.read


def test_a_product_that_answers_far_less_well_is_not_shown() -> None:
    query = parse_question("bamboo desk")
    desk = Product("DESK3", "Bamboo Desk, Small", "One drawer.")
    far = Scores(bamboo=FAR_BELOW + 0.1, Seats=0.0, drawer=0.0)
    (context,) = choose_context(far, [(query, hits_of(BAMBOO, desk))])
    assert context.fitting == (BAMBOO, desk)
    assert context.shown == (Shown(BAMBOO, ("A top of bamboo.", "Seats two."), (0.0, FAR_BELOW + 0.1, 0.0)),)
    (context,) = choose_context(far, [(query, hits_of(desk, BAMBOO))])
    assert [shown.product for shown in context.shown] == [desk, BAMBOO]  # but the first one is, however it answers
    near = Scores(bamboo=FAR_BELOW - 0.1)
    (context,) = choose_context(near, [(query, hits_of(BAMBOO, desk))])
    assert [shown.product for shown in context.shown] == [BAMBOO, desk]


def test_what_answers_about_as_well_is_shown_first_and_then_the_beginning() -> None:
    spans = ["It is round.", "It is red.", "It is new.", "It has three legs of oak.", "It is old."]
    stool = Product("STOOL1", "Stool", " ".join(spans))
    ranker = Scores(old=3.0, new=3.1 - ABOUT_AS_WELL, red=2.9 - ABOUT_AS_WELL)
    (context,) = choose_context(ranker, [(parse_question("is the stool old?"), hits_of(stool))], max_words=12)
    assert context.shown[0].spans == ("It is old.", "It is new.", "It is round.", "It is red.")


def test_a_number_of_what_is_counted_goes_before_what_answers_almost_as_well() -> None:
    stool = Product("STOOL1", "Stool", "The legs are of oak. It stands on three sturdy legs.")
    query = parse_question("how many legs does the stool have?")
    (context,) = choose_context(Scores(oak=1.0), [(query, hits_of(stool))])
    assert context.shown[0].spans[0] == "It stands on three sturdy legs."
    (context,) = choose_context(Scores(oak=TELLS_COUNT + 0.1), [(query, hits_of(stool))])
    assert context.shown[0].spans[0] == "The legs are of oak."
    (context,) = choose_context(Scores(oak=1.0), [(parse_question("has the stool legs?"), hits_of(stool))])
    assert context.shown[0].spans[0] == "The legs are of oak."


def test_nothing_found_shows_nothing() -> None:
    (context,) = choose_context(KeywordRanker(), [(parse_question("a mug"), [])])
    assert (context.fitting, context.shown, context.matches) == ((), (), 0.0)


def test_a_match_is_coverage_and_cosine_where_there_is_one() -> None:
    query = parse_question("dishwasher safe mug of bamboo")
    assert match(query, Hit(MUG, 1, 1.0)) == 0.75
    assert match(query, Hit(MUG, 1, 1.0, cosine=0.25)) == 0.5
    assert match(query, Hit(MUG, 1, 1.0, cosine=-1.0)) == 0.375
