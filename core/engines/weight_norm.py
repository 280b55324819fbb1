"""Weights that are stored as a direction and a length: computed once, for inference, and not at every call."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrize


def fold_weight_norms(model: nn.Module) -> None:
    """Fold those of all modules into plain weights, in whichever of torch's two forms they are; frozen afterwards."""
    for module in model.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
        elif hasattr(module, "weight_g"):  # the older form
            torch.nn.utils.remove_weight_norm(module)
    model.requires_grad_(False)  # folding makes new parameters
