"""LoRA's forward and backward as matrix products alone.

PEFT computes ``base(x) + B(A(x)) * scale``: a product and a sum over the whole output, which on a CPU take a quarter of
a training step. Here both happen inside the matrix product (BLAS's beta and alpha), as hand-written LoRA kernels do on
GPUs (https://unsloth.ai/introducing). The result is PEFT's up to rounding.

Imports torch and PEFT: import this module inside functions.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from peft.tuners.lora.layer import Linear


class _LoraProduct(torch.autograd.Function):  # type: ignore[misc]
    """x Wᵀ + scale · x Aᵀ Bᵀ, with W frozen; x has shape (rows, in), W (out, in), A (rank, in), B (out, rank)."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scale: float
    ) -> torch.Tensor:
        low = x @ a.t()
        ctx.save_for_backward(x, weight, a, b, low)
        ctx.scale = scale
        return (x @ weight.t()).addmm_(low, b.t(), alpha=scale)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, a, b, low = ctx.saved_tensors
        low_gradient = (gradient @ b).mul_(ctx.scale)
        x_gradient = (gradient @ weight).addmm_(low_gradient, a) if ctx.needs_input_grad[0] else None
        return x_gradient, None, low_gradient.t() @ x, (gradient.t() @ low).mul_(ctx.scale), None


def fuse_lora(model: Any) -> int:
    """Replace the forward of a PEFT model's plain LoRA layers; returns how many.

    Layers with a bias, with dropout, quantised, or of a LoRA variant keep PEFT's forward.
    """
    layers = [
        module
        for module in model.modules()
        if type(module) is Linear
        and module.base_layer.bias is None
        and not module.lora_variant
        and isinstance(module.lora_dropout["default"], torch.nn.Identity)
    ]
    for layer in layers:
        layer.forward = MethodType(_forward, layer)
    return len(layers)


def _forward(layer: Any, x: torch.Tensor) -> torch.Tensor:
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    flat = x.reshape(-1, x.shape[-1])
    product = _LoraProduct.apply(flat, layer.base_layer.weight, a, b, layer.scaling["default"])
    return product.view(*x.shape[:-1], -1)
