"""What training writes: folders that are whole or not there, and loss curves."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from retrieval.errors import UsageError


@contextmanager
def whole_or_nothing(out: Path) -> Iterator[Path]:
    """Yield a folder that takes the name ``out`` when the block succeeds and is removed when it does not.

    Raises:
        UsageError: ``out`` cannot be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}.") from error
    try:
        yield unfinished
        unfinished.chmod(0o755)
        unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def refuse_file(out: Path) -> None:
    """Refuse a folder that cannot be made.

    Raises:
        UsageError: There is a file where it, or a folder above it, would be.
    """
    for path in (out, *out.parents):
        if path.is_file():
            raise UsageError(f"{path} is a file, where a folder is to be; give another --out.")


def plot_losses(history: Sequence[dict[str, float]], path: Path, *, unit: str) -> None:
    """Draw the losses of a log history, training and evaluation, as a PNG.

    Args:
        history: Entries with ``step`` and ``loss`` or ``eval_loss``.
        path: The file.
        unit: What a loss is a mean over.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for key, label in (("loss", "training"), ("eval_loss", "evaluation")):
        points = [(entry["step"], entry[key]) for entry in history if key in entry]
        if points:
            axes.plot(*zip(*points, strict=True), label=label, marker="." if key == "eval_loss" else None)
    axes.set(xlabel="step", ylabel=f"loss ({unit})")
    axes.legend()
    figure.savefig(path, dpi=120)
