from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.evaluation.arms import ARMS
from qa.evaluation.errors import EvaluationError
from qa.evaluation.measures import (
    attribution,
    confidence,
    cost,
    decisions,
    evidence,
    fluency,
    groundedness,
    overlap,
    relevance,
    search,
    semantic,
)
from qa.evaluation.measures.case import Case, case_of
from qa.evaluation.measures.overlap import rouge_l, squad_tokens, token_f1
from qa.evaluation.measures.semantic import greedy_match
from qa.evaluation.records import AS_ASKED, Given, Record
from retrieval.question_file import Question
from retrieval.schema import Product

TENT = Product("TENT", "Ridge Two Tent", "Sleeps two people. Weighs 2.4 kg. Made by Alder.")
MUG = Product("MUG", "Harbour Mug", "Holds 300 ml.", twins=("MUG-TWIN",))


@dataclass
class FixedTools:
    """Models that always say the same."""

    def cosine(self, one: str, other: str) -> float:
        return 0.5

    def token_match(self, candidate: str, reference: str) -> tuple[float, float, float]:
        return 0.1, 0.2, 0.3

    def perplexity(self, text: str) -> float:
        return 12.0

    def count_tokens(self, text: str) -> int:
        return len(text.split())


SAID = ["The", "a", "red", "Mug", "mug,", "2.4", "kg.", "it's", "...", "holds", "é"]
words = st.lists(st.sampled_from(SAID), max_size=8).map(" ".join)
BY_BERT_SCORE = (0.429777, 0.571399, 0.490571)
"""What ``bert_score.utils.greedy_cos_idf`` of bert-score 0.3.13 gives for the vectors of the test below."""
WEIGHT = Question("how heavy is the tent?", "fact", ("TENT",), "It weighs 2.4 kg.", "Weighs 2.4 kg.")
CASE = Case(
    question=WEIGHT,
    text="It weighs 2.4 kg.",
    status="answered",
    arm=ARMS["extractive"],
    right=(TENT,),
    hits=(MUG, TENT),
    product=TENT,
    citations=((TENT, "Weighs 2.4 kg."),),
    confidence=0.7,
    milliseconds=5.0,
    model_tokens={},
    tools=FixedTools(),
)


@pytest.mark.parametrize(
    ("answer", "reference", "f1"),
    [
        ("It weighs 2.4 kg.", "it weighs 24 kg", 1.0),
        ("the red mug", "a red cup", 0.5),
        ("red red mug", "red cup", 0.4),
        ("The", "", 1.0),
        ("mug", "", 0.0),
        ("", "mug", 0.0),
    ],
)
def test_token_f1_is_that_of_squad(answer: str, reference: str, f1: float) -> None:
    assert token_f1(answer, reference) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("answer", "reference", "value"),
    [
        ("police killed the gunman", "police kill the gunman", 0.75),
        ("the gunman kill police", "police kill the gunman", 0.5),
        ("a b c d", "b d", 2 / 3),
        ("", "b", 0.0),
    ],
)
def test_rouge_l_is_that_of_lins_paper(answer: str, reference: str, value: float) -> None:
    assert rouge_l(answer, reference) == pytest.approx(value)


@settings(deadline=None)
@given(words, words)
def test_rouge_l_is_that_of_googles_implementation(answer: str, reference: str) -> None:
    from rouge_score.rouge_scorer import RougeScorer

    expected = RougeScorer(["rougeL"]).score(reference, answer)["rougeL"].fmeasure
    assert rouge_l(answer, reference) == pytest.approx(expected)


@settings(deadline=None)
@given(words, words)
def test_token_f1_is_the_dice_of_bags_of_words(answer: str, reference: str) -> None:
    from sklearn.feature_extraction.text import CountVectorizer

    count = CountVectorizer(tokenizer=squad_tokens, token_pattern=None, preprocessor=str)
    try:
        given, right = count.fit_transform([answer, reference]).toarray()
    except ValueError:  # neither has a token
        assert token_f1(answer, reference) == 1.0
        return
    assert token_f1(answer, reference) == pytest.approx(2 * np.minimum(given, right).sum() / (given + right).sum())


def test_an_answer_is_compared_with_its_reference_where_there_is_one() -> None:
    without = replace(CASE, question=replace(WEIGHT, answer=""))
    assert overlap.score(CASE) == {"token_f1": 1.0, "rouge_l": 1.0}
    assert overlap.score(without) == {"token_f1": None, "rouge_l": None}
    likeness = {"semantic_precision": 0.5, "bertscore_precision": 0.1, "bertscore_recall": 0.2, "bertscore_f1": 0.3}
    assert semantic.score(CASE) == likeness
    assert semantic.score(replace(CASE, text="")) == dict.fromkeys(likeness, 0.0)
    assert semantic.score(without) == dict.fromkeys(likeness)


def test_evidence_is_recalled_by_its_telling_words() -> None:
    assert evidence.score(CASE) == {"evidence_recall": 1.0, "evidence_whole": 1.0}
    half = evidence.score(replace(CASE, text="It is 2.4 of something."))
    assert half == {"evidence_recall": 0.5, "evidence_whole": 0.0}
    without = evidence.score(replace(CASE, question=replace(WEIGHT, evidence="")))
    assert without == {"evidence_recall": None, "evidence_whole": None}


@pytest.mark.parametrize(
    ("kind", "status", "right", "precision", "recall"),
    [
        ("fact", "answered", 1.0, None, None),
        ("fact", "no_match", 0.0, 0.0, None),
        ("absent", "no_match", 1.0, 1.0, 1.0),
        ("absent", "not_in_description", 0.0, 1.0, 1.0),
        ("unanswerable", "answered", 0.0, None, 0.0),
        ("ambiguous", "ambiguous", 1.0, None, None),
        ("ambiguous", "answered", 0.0, None, None),
    ],
)
def test_statuses_and_refusals(
    kind: str, status: str, right: float, precision: float | None, recall: float | None
) -> None:
    assert decisions.score(replace(CASE, question=replace(WEIGHT, kind=kind), status=status)) == {
        "correct": right,
        "status_accuracy": right,
        "refusal_precision": precision,
        "refusal_recall": recall,
        "coverage": float(status == "answered"),
    }


def test_refusals_are_counted_as_by_scikit_learn() -> None:
    from sklearn.metrics import precision_score, recall_score

    given = [
        ("fact", "answered"),
        ("fact", "no_match"),
        ("identify", "not_in_description"),
        ("absent", "not_in_description"),
        ("absent", "answered"),
        ("unanswerable", "no_match"),
        ("unanswerable", "ambiguous"),
        ("ambiguous", "ambiguous"),
    ]
    scores = [decisions.score(replace(CASE, question=replace(WEIGHT, kind=kind), status=s)) for kind, s in given]
    due = [kind in ("absent", "unanswerable") for kind, _ in given]
    refused = [status in ("no_match", "not_in_description") for _, status in given]
    for name, of in (("refusal_precision", precision_score), ("refusal_recall", recall_score)):
        counted = [row[name] for row in scores if row[name] is not None]
        assert sum(counted) / len(counted) == pytest.approx(of(due, refused)), name


def test_a_fact_is_right_when_its_product_is_and_half_of_it_is_told() -> None:
    assert decisions.is_correct(CASE)
    colours = replace(CASE, question=replace(WEIGHT, answer="Red, green."))
    assert decisions.is_correct(replace(colours, text="Red."))
    assert not decisions.is_correct(replace(colours, text="Blue."))
    assert not decisions.is_correct(replace(CASE, text="It sleeps two people."))
    about_mug = replace(CASE, product=MUG, citations=((MUG, "Holds 300 ml."),))
    assert not decisions.is_correct(about_mug)
    with pytest.raises(EvaluationError, match="gave status 'perhaps'"):
        decisions.score(replace(CASE, status="perhaps"))


def test_a_product_is_identified_when_the_answer_is_about_it() -> None:
    which = replace(
        CASE, question=Question("a tent for two", "identify", ("TENT",), "Ridge Two Tent"), text="This one."
    )
    assert decisions.is_correct(which)
    assert not decisions.is_correct(replace(which, product=MUG, citations=()))


def test_a_product_is_named_by_six_tenths_of_its_title() -> None:
    lantern = Product("LAMP", "Copper Harbour Storm Lantern Large", "")
    nameless = replace(CASE, right=(lantern,), product=None, citations=())
    assert relevance.is_about_right_product(replace(nameless, text="A copper storm lantern."))
    assert not relevance.is_about_right_product(replace(nameless, text="A copper lantern."))


def test_an_answer_is_about_a_product_it_cites_speaks_of_or_names() -> None:
    nothing = replace(CASE, product=None, citations=(), text="It is light.")
    assert not relevance.is_about_right_product(nothing)
    assert relevance.is_about_right_product(replace(nothing, citations=((TENT, "Weighs"),)))
    assert relevance.is_about_right_product(replace(nothing, product=TENT))
    assert relevance.is_about_right_product(replace(nothing, text="The Ridge Two Tent is light."))
    of_twin = replace(nothing, question=replace(WEIGHT, uids=("MUG-TWIN",)), product=MUG, right=(MUG,))
    assert relevance.is_about_right_product(of_twin)
    assert relevance.score(CASE) == {"right_product": 1.0, "addresses_question": 0.5}
    absent = replace(CASE, question=Question("a kettle", "absent"), right=(), status="no_match")
    assert relevance.score(absent) == {"right_product": None, "addresses_question": None}


@pytest.mark.parametrize(
    ("text", "share", "numbers", "names"),
    [
        ("It weighs 2.4 kg.", 1.0, 0.0, 0.0),
        ("It weighs 9.9 kg.", 0.0, 1.0, 0.0),
        ("It sleeps two people. It was designed by Ann Lee.", 0.5, 0.0, 2.0),
        ("Made by Alder. It weighs 2.4 kg.", 1.0, 0.0, 0.0),
        ("By Lee.", 0.0, 0.0, 1.0),
        ("Ridge tent sleeps people comfortably.", 1.0, 0.0, 0.0),
        ("Ridge tent sleeps comfortably outdoors.", 0.0, 0.0, 0.0),
        ("Ridge tent holds ml.", 0.0, 0.0, 0.0),
        ("It is.", None, 0.0, 0.0),
    ],
)
def test_what_stands_in_no_product_is_counted(text: str, share: float | None, numbers: float, names: float) -> None:
    scores = groundedness.score(replace(CASE, text=text))
    assert scores == {"groundedness": share, "unsupported_numbers": numbers, "unsupported_names": names}
    assert set(groundedness.score(replace(CASE, status="no_match")).values()) == {None}


def test_citations_are_judged_as_in_alce() -> None:
    passages = ["Ridge Two Tent Weighs 2.4 kg.", "Ridge Two Tent Sleeps two people."]
    statements = ["It weighs 2.4 kg.", "It sleeps two people.", "It is red."]
    assert attribution.citation_recall(statements, passages) == pytest.approx(2 / 3)
    assert attribution.citation_precision(statements, passages) == 1.0
    assert attribution.citation_precision(statements[:1], passages) == 0.5
    assert attribution.citation_precision(statements, []) == attribution.citation_recall(statements, []) == 0.0
    together = ["Weighs 2.4 kg, sleeps two people."]
    assert attribution.citation_recall(together, passages) == 1.0
    assert attribution.citation_precision(together, passages) == 1.0
    assert attribution.citation_precision(together, ["Harbour Mug Holds 300 ml.", *passages]) == pytest.approx(2 / 3)
    assert attribution.citation_recall(["Weighs 2.4 kg."], ["Weighs 2.4 kg."]) == 1.0
    assert attribution.citation_recall(["Weighs 9.4 kg."], ["Weighs 2.4 kg."]) == 0.0


def test_citations_count_where_an_answer_was_given_and_says_something() -> None:
    assert attribution.score(CASE) == {"citation_recall": 1.0, "citation_precision": 1.0}
    assert attribution.score(replace(CASE, citations=())) == {"citation_recall": 0.0, "citation_precision": 0.0}
    for silent in (replace(CASE, status="no_match"), replace(CASE, text="It is.")):
        assert set(attribution.score(silent).values()) == {None}


def test_hits_are_scored_for_arms_that_search() -> None:
    scores = search.score(CASE)
    assert scores == pytest.approx({"hit@1": 0.0, "hit@k": 1.0, "mrr": 0.5, "ndcg@k": 1 / math.log2(3)})
    assert set(search.score(replace(CASE, arm=ARMS["untuned"])).values()) == {None}


def test_ndcg_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import ndcg_score

    hits = tuple(Product(str(number), "t", "c") for number in range(6))
    right = (hits[1], hits[4])
    question = replace(WEIGHT, uids=("1", "4"))
    ours = search.score(replace(CASE, hits=hits, right=right, question=question))["ndcg@k"]
    gains = [[0, 1, 0, 0, 1, 0]]
    assert ours == pytest.approx(ndcg_score(gains, [[6, 5, 4, 3, 2, 1]]))


@pytest.mark.parametrize("rank", [1, 2, 6])
def test_mrr_is_that_of_scikit_learn(rank: int) -> None:
    from sklearn.metrics import label_ranking_average_precision_score

    hits = tuple(TENT if place == rank else Product(str(place), "t", "c") for place in range(1, 7))
    gains = [[int(hit is TENT) for hit in hits]]
    scores = search.score(replace(CASE, hits=hits))
    assert scores["mrr"] == pytest.approx(label_ranking_average_precision_score(gains, [[6, 5, 4, 3, 2, 1]]))
    assert scores["hit@1"] == float(rank == 1)


def test_a_search_that_finds_nothing_scores_nothing() -> None:
    for hits in ((), (MUG,)):
        assert set(search.score(replace(CASE, hits=hits)).values()) == {0.0}


@pytest.mark.parametrize(
    ("text", "share"),
    [("one two three", 0.0), ("a b c d e", 0.0), ("a b c d a b c d", 0.2), ("no no no no no", 0.5)],
)
def test_repetition_is_the_share_of_repeated_four_grams(text: str, share: float) -> None:
    assert fluency.repetition(text) == pytest.approx(share)


def test_fluency_looks_at_answers_that_were_given() -> None:
    assert fluency.score(CASE) == {"perplexity": 12.0, "repetition": 0.0, "well_ended": 1.0}
    assert fluency.score(replace(CASE, text="It weighs"))["well_ended"] == 0.0
    assert fluency.score(replace(CASE, text="")) == {"perplexity": None, "repetition": None, "well_ended": 0.0}
    assert set(fluency.score(replace(CASE, status="no_match")).values()) == {None}


def test_confidence_counts_where_it_is_stated() -> None:
    assert confidence.score(CASE) == {"risk": 0.0, "confidence": 0.7}
    assert confidence.score(replace(CASE, text="No.", arm=ARMS["copy"])) == {"risk": 1.0, "confidence": None}
    assert confidence.score(replace(CASE, status="no_match")) == {"risk": None, "confidence": None}


def test_token_vectors_are_matched_greedily_as_by_bertscore() -> None:
    east, north = np.array([1.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)
    one, both = (np.stack([east]), np.ones(1, np.float32)), (np.stack([east, north]), np.ones(2, np.float32))
    assert greedy_match(one, both) == pytest.approx((1.0, 0.5, 2 / 3))
    assert greedy_match(both, one) == pytest.approx((0.5, 1.0, 2 / 3))
    nothing = (np.empty((0, 2), np.float32), np.empty(0, np.float32))
    apart = (np.stack([north]), np.ones(1, np.float32))
    assert greedy_match(one, apart) == (0.0, 0.0, 0.0)
    assert greedy_match(one, nothing) == greedy_match(nothing, one) == (0.0, 0.0, 0.0)


def test_token_vectors_are_matched_as_by_the_authors_of_bertscore() -> None:
    random = np.random.default_rng(0)
    one, other = (
        (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        for vectors in (random.normal(size=(6, 5)), random.normal(size=(4, 5)))
    )
    weights = [np.array([0, *[1] * (len(vectors) - 2), 0], np.float32) for vectors in (one, other)]
    assert greedy_match((one, weights[0]), (other, weights[1])) == pytest.approx(BY_BERT_SCORE, abs=1e-6)


def test_a_special_token_counts_for_nothing_but_may_be_a_match() -> None:
    vectors = np.eye(2, dtype=np.float32)
    framed, plain = (vectors, np.array([1, 0], np.float32)), (vectors[1:], np.ones(1, np.float32))
    assert greedy_match(plain, framed) == pytest.approx((1.0, 0.0, 0.0))


def test_an_answer_costs_time_and_tokens_even_when_it_declines() -> None:
    declined = replace(CASE, status="no_match")
    unread = {"prompt_tokens": None, "completion_tokens": None}
    assert cost.score(declined) == {"milliseconds": 5.0, "tokens": 4.0} | unread
    not_asked = cost.score(replace(declined, arm=ARMS["tuned+retrieval"]))
    assert (not_asked["prompt_tokens"], not_asked["completion_tokens"]) == (0.0, 0.0)
    asked = cost.score(replace(CASE, arm=ARMS["tuned"], model_tokens={"prompt": 210, "completion": 9}))
    assert (asked["prompt_tokens"], asked["completion_tokens"]) == (210.0, 9.0)


def test_a_record_that_cannot_be_judged_is_told() -> None:
    given = Given("It weighs 2.4 kg.", "answered", "TENT", (), (("TENT", "2.4 kg"),), ("MUG", "TENT"), 0.7, {}, {}, ())
    record = Record(("extractive", AS_ASKED, 4), WEIGHT, None, given)
    timed = replace(record, given=replace(given, timings={"total": 5.0}))
    shelf = {"TENT": TENT, "MUG": MUG}
    case = case_of(timed, CASE.arm, shelf.get, CASE.tools)
    assert (case.right, case.hits, case.citations) == ((TENT,), (MUG, TENT), ((TENT, "2.4 kg"),))
    with pytest.raises(EvaluationError, match="Arm extractive did not time its answer to question 5"):
        case_of(record, CASE.arm, shelf.get, CASE.tools)
    with pytest.raises(EvaluationError, match="Question 5 names product MUG, which is not in the index"):
        case_of(timed, CASE.arm, {"TENT": TENT}.get, CASE.tools)
