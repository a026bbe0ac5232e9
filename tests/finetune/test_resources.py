from __future__ import annotations

import os
import resource

import pytest

from finetune.resources import GIB, Device, Usage, matrix_flops


def test_the_device_is_this_machine() -> None:
    device = Device.here()
    assert device.kind in {"cuda", "cpu"}
    if device.kind == "cpu":
        assert device.memory == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert device.facts()["memory_gib"] == pytest.approx(device.memory / GIB, abs=0.05)


@pytest.mark.skipif(Device.here().kind == "cuda", reason="measures the host's memory")
def test_peak_memory_is_what_the_kernel_counts() -> None:
    device = Device.here()
    assert device.peak_memory() == pytest.approx(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, rel=0.05)
    assert 0 < device.memory_in_use() <= device.peak_memory()


def test_usage_counts_tokens_and_time() -> None:
    facts = Usage(Device.here()).facts(tokens=1_000)
    assert facts["tokens"] == 1_000
    assert facts["tokens_per_second"] > 0
    assert 0 < facts["memory_peak_share"] < 1
    assert facts["memory_before_gib"] <= facts["memory_peak_gib"]


def test_matrix_speed_is_measured() -> None:
    assert 1e8 < matrix_flops("float32", 64, 256, 256) < 1e15
