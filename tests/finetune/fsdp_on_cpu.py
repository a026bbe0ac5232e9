"""``python -m finetune`` under FSDP without a GPU, where accelerate would replicate the model, not shard it."""

from __future__ import annotations

import runpy
from typing import Any

from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType

_init = AcceleratorState.__init__


def _sharded(state: AcceleratorState, *arguments: Any, fsdp_plugin: Any = None, **options: Any) -> None:
    _init(state, *arguments, fsdp_plugin=fsdp_plugin, **options)
    if fsdp_plugin is not None:
        state.fsdp_plugin = fsdp_plugin
    if "fsdp_plugin" in state.__dict__:
        state.distributed_type = DistributedType.FSDP


if __name__ == "__main__":
    AcceleratorState.__init__ = _sharded
    runpy.run_module("finetune", run_name="__main__")
