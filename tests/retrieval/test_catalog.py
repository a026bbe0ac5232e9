from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from retrieval import tables
from retrieval.catalog import Catalogue
from retrieval.errors import CatalogueError, IndexDamaged
from retrieval.reader import CatalogueReader
from retrieval.schema import Product
from retrieval.tables import PRODUCTS_FILE, TWINS_FILE
from tests.conftest import ROWS, WriteCatalogue

TWIN_ROWS = [{**ROWS[1], "uid": "MUG2B"}, {**ROWS[5], "uid": "LAMP1B"}, {**ROWS[1], "uid": "MUG2C"}]
TWINS = {"MUG2": ("MUG2B", "MUG2C"), "LAMP1": ("LAMP1B",)}
PRODUCTS = [Product(row["uid"], row["title"], row["content"], TWINS.get(row["uid"], ())) for row in ROWS]


@pytest.fixture
def folder(tmp_path: Path, write_catalogue: WriteCatalogue, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stored catalogue of six products in batches of four, two of which have twins."""
    monkeypatch.setattr(tables, "ROWS_PER_BATCH", 4)
    folder = tmp_path / "store"
    folder.mkdir()
    Catalogue.write(CatalogueReader([write_catalogue([*ROWS, *TWIN_ROWS])]), folder)
    return folder


def test_a_stored_catalogue_holds_the_products_in_file_order_with_their_twins(folder: Path) -> None:
    catalogue = Catalogue(folder)
    assert list(catalogue) == PRODUCTS
    assert [catalogue[row] for row in range(len(catalogue))] == PRODUCTS
    assert len(catalogue) == len(PRODUCTS)


def test_rows_count_from_the_end_too_and_not_beyond(folder: Path) -> None:
    catalogue = Catalogue(folder)
    assert (catalogue[-1], catalogue[-6]) == (PRODUCTS[-1], PRODUCTS[0])
    for row in (6, -7):
        with pytest.raises(IndexError, match=str(row)):
            catalogue[row]


def test_a_product_is_found_by_its_uid_and_by_that_of_a_twin(folder: Path) -> None:
    catalogue = Catalogue(folder)
    assert [catalogue.find(product.uid) for product in PRODUCTS] == list(range(6))
    assert [catalogue.find(uid) for uid in ("MUG2B", "MUG2C", "LAMP1B")] == [1, 1, 5]
    assert catalogue.find("mug2") is None


def test_a_product_knows_itself_by_all_of_its_uids(folder: Path) -> None:
    product = Catalogue(folder)[1]
    assert product.is_any_of(["MUG2"])
    assert product.is_any_of({"MUG2C", "X"})
    assert not product.is_any_of(("MUG1", "LAMP1B"))


def test_writing_tells_progress_and_keeps_the_report(tmp_path: Path, write_catalogue, monkeypatch) -> None:
    monkeypatch.setattr(tables, "ROWS_PER_BATCH", 4)
    done: list[int] = []
    catalogue = Catalogue.write(CatalogueReader([write_catalogue([*ROWS, *TWIN_ROWS, b"{"])]), tmp_path, done.append)
    assert done == [4, 10]
    assert catalogue.report is not None
    assert (catalogue.report.rows, catalogue.report.usable, catalogue.report.twins) == (10, 6, 3)


def test_files_are_read_into_a_store_of_their_own(tmp_path: Path, write_catalogue: WriteCatalogue) -> None:
    packed = tmp_path / "more.gz"
    packed.write_bytes(gzip.compress(b'{"uid": "Z", "title": "Kettle", "content": "Boils."}\n'))
    catalogue = Catalogue.read([write_catalogue(ROWS), packed])
    assert [product.uid for product in catalogue] == [*(row["uid"] for row in ROWS), "Z"]
    assert catalogue.find("Z") == 6
    assert len(Catalogue.read([packed, tmp_path / "trn.json"], limit=2, seed=3)) == 2
    with pytest.raises(CatalogueError, match="More than 0 malformed lines"):
        Catalogue.read([write_catalogue([*ROWS, b"{"], "bad.json")], max_errors=0)


def test_as_data_frame(folder: Path) -> None:
    frame = Catalogue(folder).to_pandas()
    assert list(frame.columns) == ["uid", "title", "content"]
    assert frame.to_dict("records") == ROWS


def test_as_hugging_face_dataset(folder: Path) -> None:
    dataset = Catalogue(folder).to_dataset()
    assert dataset.column_names == ["uid", "title", "content"]
    assert dataset.to_list() == ROWS


@pytest.mark.parametrize("name", [PRODUCTS_FILE, TWINS_FILE])
@pytest.mark.parametrize("data", [b"", b"not arrow at all", None], ids=["empty", "text", "missing"])
def test_a_file_that_is_not_arrow_is_named(folder: Path, name: str, data: bytes | None) -> None:
    (folder / name).unlink()
    if data is not None:
        (folder / name).write_bytes(data)
    with pytest.raises(IndexDamaged, match=rf"{name} is not a readable Arrow file .*build the index again"):
        Catalogue(folder)


@pytest.mark.parametrize("name", [PRODUCTS_FILE, TWINS_FILE])
def test_an_arrow_file_with_other_columns_is_damage(folder: Path, name: str) -> None:
    other = TWINS_FILE if name == PRODUCTS_FILE else PRODUCTS_FILE
    shutil.copy(folder / other, folder / name)
    with pytest.raises(IndexDamaged, match=name):
        Catalogue(folder)


def test_a_file_cut_in_the_middle_of_a_batch_is_damage(folder: Path) -> None:
    path = folder / PRODUCTS_FILE
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(IndexDamaged, match="build the index again"):
        Catalogue(folder)
