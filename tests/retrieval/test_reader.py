from __future__ import annotations

import gzip
import json
import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.errors import CatalogueError, UsageError
from retrieval.reader import CatalogueReader
from retrieval.rejects import Reject, RejectLog
from retrieval.schema import Product
from tests.conftest import WriteCatalogue


def row(uid: object, title: object = "Mug", content: object | None = None) -> dict[str, object]:
    return {"uid": uid, "title": title, "content": f"About {uid}." if content is None else content}


def as_bytes(rows: list[dict[str, object]]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in rows)


def read(*paths: Path, **options) -> tuple[list[Product], CatalogueReader, list[Reject]]:
    rejects: list[Reject] = []
    reader = CatalogueReader(paths, on_reject=rejects.append, **options)
    return list(reader), reader, rejects


def uids(*paths: Path, **options) -> list[str]:
    return [product.uid for product in read(*paths, **options)[0]]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"uid": "B", nope}', "bad JSON: "),
        (b'{"uid": "B\xff"}', "invalid UTF-8 at byte 10"),
        (b"[1]", "a row must be a JSON object, not an array"),
        (b'"text"', "a row must be a JSON object, not a string"),
        (b"null", "a row must be a JSON object, not null"),
        (b'{"title": "t", "content": "c"}', "no uid"),
        (row(None), "no uid"),
        (row(" "), "no uid"),
        (row(7), "uid must be a string, not a number"),
        (row("B\x1b[2J"), r"control characters in uid 'B\x1b[2J'"),
        (row("B\nC\x85D"), r"control characters in uid 'B\nC\x85D'"),
        (row(True), "uid must be a string, not true or false"),
        (row("B", ["t"]), "title must be a string, not an array"),
        (row("B", "t", {}), "content must be a string, not an object"),
        (row("B", 1.5), "title must be a string, not a number"),
    ],
)
def test_a_malformed_line_is_rejected_with_its_number_and_reason(
    write_catalogue: WriteCatalogue, line: dict[str, object] | bytes, reason: str
) -> None:
    path = write_catalogue([row("A"), b"", line, row("C")])
    products, reader, rejects = read(path)
    assert [product.uid for product in products] == ["A", "C"]
    (reject,) = rejects
    assert (reject.file, reject.line) == (str(path), 3)
    assert reject.reason.startswith(reason)
    assert str(reject).startswith(f"{path}:3: {reason}")
    data = line if isinstance(line, bytes) else json.dumps(line).encode()
    assert reject.excerpt == data.decode("utf-8", "replace") + "\n"
    assert (reader.report.rejected, reader.report.rows) == (1, 3)


def test_a_line_that_is_too_long_is_rejected_once_and_reading_goes_on_behind_it(
    write_catalogue: WriteCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.lines.MAX_LINE_BYTES", 100)
    fits = row("B", "t", "")
    fits["content"] = "x" * (99 - len(json.dumps(fits)))
    path = write_catalogue([row("A"), row("LONG", "t", "x" * 1_000), fits, b"{"])
    products, reader, rejects = read(path)
    assert [product.uid for product in products] == ["A", "B"]
    assert [(r.line, r.reason.partition(":")[0]) for r in rejects] == [
        (2, "line longer than 100 bytes"),
        (4, "bad JSON"),
    ]
    assert reader.report.rows == 4


@pytest.mark.parametrize("damage", ["cut", "checksum"])
def test_damaged_gzip_data_is_one_reject_behind_the_rows_that_could_be_read(tmp_path: Path, damage: str) -> None:
    rng = random.Random(1)
    data = gzip.compress(as_bytes([row(f"{rng.getrandbits(64):x}") for _ in range(3_000)]))
    broken = tmp_path / "broken.json.gz"
    broken.write_bytes(data[: len(data) // 2] if damage == "cut" else data[:-8] + bytes(8))
    whole = tmp_path / "whole.json"
    whole.write_bytes(as_bytes([row("LAST")]))
    products, reader, (reject,) = read(broken, whole)
    assert 100 < len(products) <= 3_001
    assert products[-1].uid == "LAST"
    assert (reject.file, reject.line) == (str(broken), len(products))
    assert reject.reason.startswith("gzip data is damaged or ends early")
    assert reader.report.rows == len(products) + 1


def test_plain_and_gzip_files_are_read_one_after_the_other_whatever_their_names(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.gz", tmp_path / "b.json"
    plain.write_bytes(as_bytes([row("A")]).rstrip())
    packed.write_bytes(gzip.compress(as_bytes([row("B")])) + gzip.compress(as_bytes([row("C")])))
    assert uids(plain, packed) == ["A", "B", "C"]
    assert uids(packed, plain) == ["B", "C", "A"]


def test_byte_order_mark_blank_lines_and_windows_line_ends_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "trn.json"
    path.write_bytes(
        b"\xef\xbb\xbf" + as_bytes([row("A")]).replace(b"\n", b"\r\n") + b"\r\n \t\n\n" + as_bytes([row("B")])
    )
    products, reader, rejects = read(path)
    assert [product.uid for product in products] == ["A", "B"]
    assert (reader.report.rows, rejects) == (2, [])


def test_a_byte_order_mark_alone_on_the_first_line_is_a_blank_line(tmp_path: Path) -> None:
    path = tmp_path / "trn.json"
    path.write_bytes(b"\xef\xbb\xbf\n" + as_bytes([row("A")]))
    products, reader, rejects = read(path)
    assert ([product.uid for product in products], reader.report.rows, rejects) == (["A"], 1, [])


def test_texts_are_cleaned_and_entities_are_counted(write_catalogue: WriteCatalogue) -> None:
    path = write_catalogue([row(" A ", "Salt &amp; Pepper", "<p>Set\nof 2</p>"), row("B", "AT&T", "5 < 6")])
    products, reader, _ = read(path)
    assert products == [Product("A", "Salt & Pepper", "Set of 2"), Product("B", "AT&T", "5 < 6")]
    assert reader.report.with_entities == 1


def test_rows_without_title_or_content_are_dropped_and_counted_by_reason(write_catalogue: WriteCatalogue) -> None:
    dropped = [
        row("B", ""),
        row("C", None),
        row("D", "t", " "),
        row("E", "t", "<br>"),
        row("F", "", "&nbsp;"),
        {"uid": "G"},
    ]
    products, reader, rejects = read(write_catalogue([row("A"), *dropped]))
    assert [product.uid for product in products] == ["A"]
    assert rejects == []
    assert reader.report.as_dict()["dropped"] == {"no title": 2, "no content": 2, "no title, no content": 2}


def test_the_first_row_of_a_uid_counts_and_another_text_is_told(write_catalogue: WriteCatalogue) -> None:
    path = write_catalogue([row("A", "Mug"), row("A", "Mug"), row("A", "Cup"), row("B")])
    products, reader, rejects = read(path)
    assert [(product.uid, product.title) for product in products] == [("A", "Mug"), ("B", "Mug")]
    assert (reader.report.repeated_uids, reader.report.conflicting_uids, reader.report.rejected) == (2, 1, 0)
    assert [(r.line, r.reason) for r in rejects] == [(3, "uid A again, with another text; the first counts")]


def test_twins_are_merged_into_the_first_row_with_their_text_and_kept(write_catalogue: WriteCatalogue) -> None:
    same, other = ("Salt & Pepper", "A set."), ("Cup", "A cup.")
    rows = [row("X"), row("A", *same), row("C", *other), row("B", "Salt &amp; Pepper", " A  set."), row("D", *same)]
    products, reader, rejects = read(write_catalogue([*rows, row("B", *same), row("E", "Salt", "& Pepper A set.")]))
    assert [product.uid for product in products] == ["X", "A", "C", "E"]
    assert reader.twins == {1: ["B", "D"]}
    assert (reader.report.twins, reader.report.repeated_uids, rejects) == (2, 1, [])


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_as_many_malformed_lines_as_allowed_pass_and_one_more_stops(
    write_catalogue: WriteCatalogue, limit: int
) -> None:
    good, bad = row("A"), b"{"
    assert uids(write_catalogue([*[bad] * limit, good], "passes.json"), max_errors=limit) == ["A"]
    stops = write_catalogue([good, *[bad] * (limit + 1)], "stops.json")
    with pytest.raises(
        CatalogueError, match=rf"^More than {limit} malformed lines, .*stops\.json:{limit + 2} \(bad JSON"
    ):
        read(stops, max_errors=limit)


def test_a_catalogue_without_a_usable_row_says_what_it_holds(write_catalogue: WriteCatalogue) -> None:
    path = write_catalogue([row("A", ""), row("B", "t", ""), b"{"])
    with pytest.raises(CatalogueError, match="of 3 rows, 2 lack a title or a content and 1 are malformed"):
        read(path)
    with pytest.raises(CatalogueError, match=r"No usable row in .*empty\.json: of 0 rows"):
        read(write_catalogue([], "empty.json"))


def test_a_missing_file_is_told_at_once_with_the_nearest_one(write_catalogue: WriteCatalogue) -> None:
    path = write_catalogue([row("A")])
    with pytest.raises(CatalogueError, match=r"No catalogue file at .*trn\.jsn \(did you mean .*trn\.json\?\)\.$"):
        CatalogueReader([path, path.with_name("trn.jsn")])


def test_a_folder_is_not_suggested_in_its_own_place(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(CatalogueError, match=r"No catalogue file at .*data\.$"):
        CatalogueReader([tmp_path / "data"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "limit is 0; it must be at least 1"),
        ({"max_errors": -1}, "max_errors is -1; it must be 0 or more"),
    ],
)
def test_options_out_of_range_are_refused(
    write_catalogue: WriteCatalogue, options: dict[str, int], message: str
) -> None:
    path = write_catalogue([row("A")])
    with pytest.raises(UsageError, match=message):
        CatalogueReader([path], **options)


def test_a_reading_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="No catalogue file given"):
        CatalogueReader([])


def test_a_sample_has_the_size_asked_for_keeps_file_order_and_depends_on_the_seed_alone(
    write_catalogue: WriteCatalogue,
) -> None:
    names = [f"P{number:03d}" for number in range(100)]
    paths = [write_catalogue([row(n) for n in names[:60]], "a"), write_catalogue([row(n) for n in names[60:]], "b")]
    products, reader, _ = read(*paths, limit=30, seed=1)
    sample = [product.uid for product in products]
    assert (len(sample), reader.report.rows) == (30, 30)
    assert sample == sorted(set(sample))
    assert uids(*paths, limit=30, seed=1) == sample
    assert uids(*paths, limit=30, seed=2) != sample
    assert uids(*paths, limit=1_000) == names


def test_a_sample_gives_every_row_the_same_chance(write_catalogue: WriteCatalogue) -> None:
    path = write_catalogue([row(f"P{number}") for number in range(10)])
    drawn = Counter(uid for seed in range(300) for uid in uids(path, limit=3, seed=seed))
    assert len(drawn) == 10
    assert all(60 < count < 120 for count in drawn.values()), drawn  # 90 are expected


def test_a_reject_log_holds_one_object_a_line_and_forgets_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    path.write_text("old\n")
    log = RejectLog(path)
    assert not path.exists()
    log(Reject("trn.json", 3, "no uid", "{é"))
    log(Reject("trn.json", 4, "bad JSON"))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines[0] == {"file": "trn.json", "line": 3, "reason": "no uid", "excerpt": "{é"}
    assert [line["line"] for line in lines] == [3, 4]


ROWS = st.builds(
    row, st.sampled_from("ABCDE"), st.sampled_from(["", "t", "&#116;", "u"]), st.sampled_from(["", "c", "d"])
)
JUNK = st.sampled_from([b"{", b"[]", b'{"uid": 1}', b"{}", b"\xff", b"", b" \t"])


@settings(deadline=None, database=None, max_examples=200)
@given(st.lists(st.one_of(ROWS, ROWS, JUNK), max_size=25))
def test_every_row_is_counted_exactly_once(lines: list[dict[str, object] | bytes]) -> None:
    data = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trn.json"
        path.write_bytes(b"\n".join(data))
        reader = CatalogueReader([path])
        products: list[Product] = []
        try:
            products.extend(reader)
        except CatalogueError as error:
            assert not products and "No usable row" in str(error)  # noqa: PT017, PT018
    report = reader.report
    assert report.rows == sum(bool(line.strip()) for line in data)
    assert report.rows == (
        report.usable + report.dropped.total() + report.rejected + report.repeated_uids + report.twins
    )
    assert report.usable == len(products)
    assert report.twins == sum(len(twins) for twins in reader.twins.values())
    every_uid = [product.uid for product in products] + [uid for twins in reader.twins.values() for uid in twins]
    assert len(every_uid) == len(set(every_uid))
    assert len({(product.title, product.content) for product in products}) == len(products)


@settings(deadline=None, database=None, max_examples=300)
@given(st.binary(max_size=400), st.sampled_from(["plain", "gzip", "cut gzip"]))
def test_any_bytes_are_counted_or_told(data: bytes, kind: str) -> None:
    written = {"plain": data, "gzip": gzip.compress(data), "cut gzip": gzip.compress(data)[:-9]}[kind]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trn.json"
        path.write_bytes(written)
        rejects: list[Reject] = []
        reader = CatalogueReader([path], max_errors=1_000, on_reject=rejects.append)
        with pytest.raises(CatalogueError, match="No usable row"):
            list(reader)
    report = reader.report
    assert report.rows == report.dropped.total() + report.rejected
    assert report.rejected == len(rejects)
