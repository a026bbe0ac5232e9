"""What a run had and used: device, memory, seconds."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retrieval.machine import memory, processor

GIB = 2**30
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Device:
    """Where the model computes.

    Attributes:
        kind: ``cuda`` or ``cpu``.
        name: Of the GPU or the processor.
        memory: In bytes: of the GPU, or of this machine.
        capabilities: Compute capability of a GPU, or the matrix instructions of a processor.
        threads: Threads torch computes with; on a GPU, those of the host.
    """

    kind: str
    name: str
    memory: int
    capabilities: tuple[str, ...]
    threads: int

    @classmethod
    def here(cls) -> Device:
        """Describe the first GPU, or the processor where there is none."""
        import torch

        threads = torch.get_num_threads()
        if torch.cuda.is_available():
            facts = torch.cuda.get_device_properties(0)
            return cls("cuda", facts.name, facts.total_memory, (f"compute {facts.major}.{facts.minor}",), threads)
        known = torch.cpu.get_capabilities()
        wanted = ("avx2", "avx512_f", "avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16", "asimd", "sve", "bf16")
        return cls("cpu", processor(), memory(), tuple(name for name in wanted if known.get(name)), threads)

    def peak_memory(self) -> int:
        """Return the most memory this process has held, in bytes: on the GPU, or resident on the host."""
        import torch

        if self.kind == "cuda":
            return int(torch.cuda.max_memory_reserved())
        return _resident("VmHWM")

    def memory_in_use(self) -> int:
        """Return the memory this process holds, in bytes."""
        import torch

        if self.kind == "cuda":
            return int(torch.cuda.memory_reserved())
        return _resident("VmRSS")

    def facts(self) -> dict[str, Any]:
        """Return what a log and ``run.json`` say of the device."""
        return {
            "kind": self.kind,
            "name": self.name,
            "memory_gib": round(self.memory / GIB, 1),
            "capabilities": list(self.capabilities),
            "threads": self.threads,
        }


@dataclass(slots=True)
class Usage:
    """Measures from its creation to ``facts``."""

    device: Device
    began: float = field(default_factory=time.perf_counter)
    before: int = 0

    def __post_init__(self) -> None:
        self.before = self.device.memory_in_use()

    def facts(self, tokens: int) -> dict[str, Any]:
        """Return memory before, peak and its share of the device's memory, seconds, and tokens per second.

        Args:
            tokens: How many were trained on in the meantime, padding not counted.
        """
        seconds = time.perf_counter() - self.began
        peak = self.device.peak_memory()
        return {
            "device": self.device.facts(),
            "memory_before_gib": round(self.before / GIB, 2),
            "memory_peak_gib": round(peak / GIB, 2),
            "memory_peak_share": round(peak / self.device.memory, 3),
            "seconds": round(seconds, 1),
            "tokens": tokens,
            "tokens_per_second": round(tokens / seconds, 1),
        }


def processes() -> int:
    """Return how many processes a launcher started to train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def leads() -> bool:
    """Tell whether this is the process that writes, of those that train together."""
    return os.environ.get("RANK", "0") == "0"


def matrix_flops(precision: str, rows: int, inner: int, columns: int) -> float:
    """Return floating-point operations per second of a matrix product of this shape on this machine's device."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = getattr(torch, precision)
    left = torch.randn(rows, inner, device=device, dtype=dtype)
    right = torch.randn(inner, columns, device=device, dtype=dtype)
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        product = left @ right
        product[0, 0].item()  # waits until a GPU is done
        spent.append(time.perf_counter() - began)
    return 2.0 * rows * inner * columns / min(spent)


def _resident(name: str) -> int:
    """Return a line of ``/proc/self/status`` in bytes; where there is none, the peak that ``getrusage`` tells."""
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024
