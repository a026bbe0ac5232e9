"""What the jobs import when they begin, imported once for all of them."""

import faiss  # noqa: F401
import filelock  # noqa: F401
import pandas  # noqa: F401
import pyarrow.compute  # noqa: F401
import rapidfuzz  # noqa: F401
import tantivy  # noqa: F401
