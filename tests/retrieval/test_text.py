from __future__ import annotations

from time import perf_counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from retrieval import text as text_module
from retrieval.text import clean, sentences, terms, words


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("Salt &amp; Pepper", "Salt & Pepper"),
        ("Salt &amp;amp; Pepper", "Salt & Pepper"),
        ("Salt &amp;amp;amp; Pepper", "Salt & Pepper"),
        ("&quot;Caf&eacute;&quot;&nbsp; bar", '"Café" bar'),
        ("&lt;b&gt;Bold&lt;/b&gt; move", "Bold move"),
        ("&amp;lt;p&amp;gt;One&amp;lt;/p&amp;gt;Two", "One Two"),
        ("5 &lt; 6 &amp;amp; 7", "5 < 6 & 7"),
        ("Don&#39;t", "Don't"),
        ("Don&amp;#39;t", "Don't"),
        ("Don&#x27;t", "Don't"),
    ],
)
def test_entities_are_decoded_however_often_they_were_escaped(raw: str, plain: str) -> None:
    assert clean(raw) == plain


@pytest.mark.parametrize("raw", ["It&#39;s", "It&amp;#39;s", "It&#039;s", "It&amp;amp;#39;s", "It&#39s"])
def test_a_numeric_entity_never_leaves_its_digits(raw: str) -> None:
    assert clean(raw) == "It's"


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("<p>One</p><p>Two</p>", "One Two"),
        ("one<br>two<br/>three", "one two three"),
        ("<ul><li>Red</li><li>Blue</li></ul>", "Red Blue"),
        ("H<sub>2</sub>O", "H2O"),
        ("10<sup>th</sup> <b>an</b>niversary", "10th anniversary"),
        ('<a href="x?a=1&b=2">Link</a>', "Link"),
        ("<p>never closed", "never closed"),
        ("Mug<!-- price: 5 < 6 --> blue", "Mug blue"),
        ("<style>p { color: red }</style>Mug", "Mug"),
        ("Mug<script>if (1 < 2) alert('&amp;')</script>", "Mug"),
        ("&lt;script&gt;steal()&lt;/script&gt;Mug", "Mug"),
        ("<p> </p>", ""),
    ],
)
def test_markup_is_removed_and_only_block_tags_separate_words(raw: str, plain: str) -> None:
    assert clean(raw) == plain


@pytest.mark.parametrize("tag", ["<div>", "<b>", "<b><p>", "<ul><li>", "<b x='", "<!--", "<font color=1>"])
def test_very_many_tags_take_little_time(tag: str) -> None:
    started = perf_counter()
    assert clean(f"<i>M</i>ug &amp; cup{tag * 60_000}") == "Mug & cup"
    assert perf_counter() - started < 5


@pytest.mark.parametrize(
    "raw",
    [
        "<p>One</p><P class=x>Two</P>",
        "one<br>two<br/>three",
        "H<sub>2</sub>O <B>an</B>niversary <small>s</small>mall <strong>b</strong>old",
        '<a href="x?a=1&b=2">Link</a> 5 < 6',
        "<td>1</td><td>2</td>",
        "&lt;p&gt;One&lt;/p&gt;Two<!-- no -->",
    ],
)
def test_very_many_tags_are_removed_as_few_are(raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = clean(raw)
    monkeypatch.setattr(text_module, "_MOST_TAGS", 0)
    assert clean(raw) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "AT&T",
        "R&D, M & M",
        "5 < 6",
        "6 > 5",
        "I <3 you",
        "&",
        "<",
        "‘curly’ “quotes”",
        "ﬁne Ｆull",
        "日本語の本",
        "Ünïcode",
    ],
)
def test_plain_text_is_left_as_it_is(text: str) -> None:
    assert clean(text) == text


def test_what_looks_like_markup_beside_real_markup_is_kept() -> None:
    assert clean("<p>AT&T: 5 < 6 &amp; 7</p>") == "AT&T: 5 < 6 & 7"


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("cafÃ© crÃ¨me", "café crème"),
        ("itâ€™s", "it’s"),
        ("&lt;p&gt;cafÃ©&lt;/p&gt;", "café"),
        ("a\x00b\x07c", "abc"),
        ("\ufeffMug\x1b[0m", "Mug"),
        ("\ud800", "\ufffd"),
        ("a\u200bb \u202ednuorg\u202c \u2066x\u2069 \u200e\u200f y\ufeff", "ab dnuorg x y"),
        ("a&#8203;b&#x202e;c", "abc"),
        ("\U0001f468\u200d\U0001f469 \u0645\u06cc\u200c\u062e", "\U0001f468\u200d\U0001f469 \u0645\u06cc\u200c\u062e"),
        ("a\x85b\u2028c\u00a0d\r\n\te ", "a b c d e"),
        (" \n ", ""),
        ("", ""),
    ],
)
def test_damaged_characters_are_mended_and_white_space_is_folded(raw: str, plain: str) -> None:
    assert clean(raw) == plain


MARKUP = st.sampled_from(
    ["&amp;", "&#39;", "&amp;lt;", "<p>", "</b>", "<!--", "-->", "<script>", "&", "<", "Ã©", "\x00", "\n"]
)
CHARACTERS = st.one_of(st.characters(), MARKUP)


@settings(deadline=None, database=None)
@given(st.lists(CHARACTERS).map("".join))
def test_clean_never_fails_and_gives_one_trimmed_line(raw: str) -> None:
    plain = clean(raw)
    assert plain == " ".join(plain.split())
    assert plain.encode().decode() == plain  # no lone surrogate is left


@settings(deadline=None, database=None)
@given(st.text(st.characters(exclude_characters="&<")))
@example("÷à\x9d")  # a control character hides what mojibake may be left
@example("â€€€©")  # mended to a leading space
def test_cleaning_text_without_markup_twice_changes_nothing_more(raw: str) -> None:
    assert clean(clean(raw)) == clean(raw)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("It weighs 2.4 kg. It costs 3.50.", ["It weighs 2.4 kg.", "It costs 3.50."]),
        ("By Dr. Smith and J. R. Hill. For all.", ["By Dr. Smith and J. R. Hill.", "For all."]),
        ("A 6 oz. Mug, approx. 3.5 in. Tall.", ["A 6 oz. Mug, approx. 3.5 in. Tall."]),
        ("A U.S. Army knife, e.g. Model 3. Good.", ["A U.S. Army knife, e.g. Model 3.", "Good."]),
        ('He said "Go." Then (he left.) So.', ['He said "Go."', "Then (he left.)", "So."]),
        ("“Hi.” “Yo.”", ["“Hi.”", "“Yo.”"]),
        ("Specs • Red • Blue", ["Specs", "• Red", "• Blue"]),
        ("red; blue; 3 sizes", ["red;", "blue;", "3 sizes"]),
        ("made by foo.Bar at x.com for you", ["made by foo.Bar at x.com for you"]),
        ("no end", ["no end"]),
        ("", []),
    ],
)
def test_sentences_end_at_stops_bullets_and_semicolons_but_not_at_abbreviations(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@settings(deadline=None, database=None)
@given(st.lists(st.sampled_from([*"aB1.!?;•*\"')(]“” ", "Dr.", "2.4", "é", "日"])).map("".join).map(clean))
def test_sentences_are_verbatim_spans_that_hold_every_word_in_order(text: str) -> None:
    found = sentences(text)
    assert all(sentence in text and sentence == sentence.strip() != "" for sentence in found)
    assert "".join("".join(found).split()) == "".join(text.split())


def test_terms_are_lower_case_folded_and_stemmed_in_order_with_repetitions() -> None:
    assert terms("Running the RUNS, Crème 3.5-inch") == ["run", "the", "run", "creme", "3", "5", "inch"]
    assert terms("日本語 Чайник") == ["日本語", "чайник"]
    assert terms(" ?! ") == []


def test_words_keep_inner_punctuation() -> None:
    assert words("Don't buy a 3.5-inch, 40 W lamp!") == ["Don't", "buy", "a", "3.5-inch", "40", "W", "lamp"]


def test_cells_without_their_table_keep_their_gap() -> None:
    assert clean("<td>1</td><td>2</td>") == "1 2"


def test_an_accented_capital_begins_a_sentence() -> None:
    assert sentences("Boa noite. Água boa.") == ["Boa noite.", "Água boa."]


ODD = "ÃÂâàœŒØÙ°²™®’“€©–…éñüßΓВЂ‚√\ufffc\ufffd\x80e\u0301"


@settings(deadline=None, database=None, max_examples=1_000)
@given(st.text(st.one_of(st.sampled_from(ODD + "abÀ .?!"), st.characters()), max_size=40))
@example("Ã la carte")
@example("voilÃ " + 20 * "x" + " é")
def test_what_is_taken_for_well_decoded_is_what_ftfy_leaves_as_it_is(raw: str) -> None:
    if raw.isprintable() and text_module._is_well_decoded(raw):
        assert text_module._mend_characters(raw) == raw


@pytest.mark.parametrize("raw", ["it’s – “so”", "Café™ crème", "日本語の本 №5"])
def test_common_characters_are_taken_for_well_decoded(raw: str) -> None:
    assert text_module._is_well_decoded(raw)


REFERENCES = [
    "&amp;",
    "&ampfoo",
    "&AMP",
    "&T;",
    "&notit;",
    "&#39",
    "&#39;",
    "&#x27;",
    "&#xZ",
    "&#0;",
    "&#128;",
    "&#xD800;",
]
REFERENCES += [
    "&#1114112;",
    "&nbsp;",
    "&#10;",
    "&eacute",
    "&CounterClockwiseContourIntegral;",
    "&amp;lt;",
    "&#xFFFE;",
    "&",
]


@settings(deadline=None, database=None, max_examples=500)
@given(st.lists(st.one_of(st.sampled_from(REFERENCES), st.sampled_from([*"aZ19;# <3xé"])), max_size=12).map("".join))
@example(".".join(REFERENCES))
def test_references_are_decoded_one_by_one_as_an_html_parser_decodes_them_together(raw: str) -> None:
    if not text_module._TAG.search(raw):
        assert text_module._REFERENCE.sub(text_module._decoded, raw).split() == text_module._strip_markup(raw).split()
