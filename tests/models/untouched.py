"""Everything of a model, and of what is global, that a call might touch."""

import random

import numpy as np
import torch


def everything(model):
    """All that a call might touch, by name."""
    hooks = [name for name in vars(model) if name.endswith("_hooks")]
    assert "_forward_hooks" in hooks
    return {
        "hooks": [[list(vars(m)[name]) for name in hooks] for m in model.modules()],
        "attributes": [sorted(vars(m)) for m in model.modules()],
        "modes": [m.training for m in model.modules()],
        "requires_grad": [p.requires_grad for p in model.parameters()],
        "gradients": [None if p.grad is None else p.grad.numpy().tobytes() for p in model.parameters()],
        "weights": {name: value.numpy().tobytes() for name, value in model.state_dict().items()},
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": np.random.get_state()[1].tobytes(),  # noqa: NPY002
        "random": random.getstate(),
        "threads": torch.get_num_threads(),
        "type": torch.get_default_dtype(),
        "grad mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "switches": (torch.backends.cudnn.enabled, torch.backends.mha.get_fastpath_enabled()),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def assert_same(before, after):
    for name, value in before.items():
        assert value == after[name], name
