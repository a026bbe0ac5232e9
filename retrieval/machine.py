"""The machine that something runs on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""NVIDIA's, AMD's, and those that Windows lends to its Linux."""


def versions_of(distributions: Iterable[str]) -> dict[str, str | None]:
    """Return the installed versions of distributions; None for those that are not installed."""
    found: dict[str, str | None] = dict.fromkeys(distributions)
    for name in found:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def processor() -> str:
    """Return the name of the processor."""
    return next(_told_by_linux("model name"), platform.processor() or platform.machine())


def has_processor_flag(flag: str) -> bool:
    """Tell whether Linux says that the processor has a feature; False on other systems."""
    return flag in next(_told_by_linux("flags"), "").split()


def _told_by_linux(field: str) -> Iterator[str]:
    """Yield what Linux tells of each core in a field; nothing on other systems."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    return (line.partition(":")[2].strip() for line in lines if line.startswith(field))


def has_gpu() -> bool:
    """Tell whether PyTorch finds a GPU of CUDA's kind; where Linux has no such device, PyTorch is not imported."""
    if sys.platform == "linux" and not any(map(os.path.exists, _GPU_DEVICES)):
        return False
    import torch

    return bool(torch.cuda.is_available())


def memory() -> int:
    """Return the machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
