"""A description of catalogue files: what is in them, what is wrong with them."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.errors import ModelNotFound
from retrieval.models import DEFAULT_LANGUAGE_MODEL, resolve_model
from retrieval.reader import DEFAULT_MAX_ERRORS, CatalogueReader
from retrieval.rejects import Reject

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_REPEATED_TITLES = 10
_TOKENISED_PRODUCTS = 10_000


def inspect_catalogue(
    paths: Sequence[Path | str],
    *,
    max_errors: int = DEFAULT_MAX_ERRORS,
    on_reject: Callable[[Reject], None] | None = None,
) -> dict[str, Any]:
    """Describe catalogue files.

    Args:
        paths: Files of JSON lines, plain or gzip.
        max_errors: Malformed lines to tolerate.
        on_reject: Called with each malformed line.

    Returns:
        The counts of ``CatalogueReport``; the share of rows with HTML entities; quantiles of the length of titles and
        contents in words, and in tokens of the default language model over the first 10,000 products (None where that
        model is not installed); the ten most repeated titles.

    Raises:
        CatalogueError: From the reader.
    """
    reader = CatalogueReader(paths, max_errors=max_errors, on_reject=on_reject)
    titles: Counter[str] = Counter()
    lengths = {"title": array("L"), "content": array("L")}
    first: dict[str, list[str]] = {"title": [], "content": []}
    for product in reader:
        titles[product.title] += 1
        for name, text in (("title", product.title), ("content", product.content)):
            lengths[name].append(text.count(" ") + 1)
            if len(first[name]) < _TOKENISED_PRODUCTS:
                first[name].append(text)
    return reader.report.as_dict() | {
        "share_with_entities": round(reader.report.with_entities / reader.report.rows, 4),
        "words": {name: _quantiles(values) for name, values in lengths.items()},
        "tokens": {name: _token_quantiles(texts) for name, texts in first.items()},
        "most_repeated_titles": {t: n for t, n in titles.most_common(_REPEATED_TITLES) if n > 1},
    }


def _quantiles(lengths: Sequence[int]) -> dict[str, int]:
    values = np.quantile(np.asarray(lengths), _QUANTILES, method="inverted_cdf")
    return {f"{quantile:.0%}": int(value) for quantile, value in zip(_QUANTILES, values, strict=True)}


def _token_quantiles(texts: Sequence[str]) -> dict[str, int] | None:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(resolve_model(DEFAULT_LANGUAGE_MODEL))
    except ModelNotFound:
        return None
    return _quantiles([len(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]])
