"""What the jobs import and read when they begin, once for all of them: nobody may not read it everywhere."""

import faiss  # noqa: F401
import filelock  # noqa: F401
import pandas  # noqa: F401
import pyarrow.compute  # noqa: F401
import rapidfuzz  # noqa: F401
import tantivy  # noqa: F401

from retrieval.portuguese import entries, is_portuguese

is_portuguese("uma caneca")
entries("uma caneca")
