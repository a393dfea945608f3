"""Loading a frontend's weights from a safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from leaf_port._cli.refusal import refusal
from leaf_port.pretrained import differences


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        LeafError: a missing file, or one that is no safetensors file.
    """
    if not path.is_file():
        raise refusal("--weights", "a safetensors file", f"no file {path}", "check the name")
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        fix = "give a state dict saved with safetensors.torch.save_file"
        raise refusal("--weights", "a safetensors file", f"{path}: {error}", fix) from error


def load_weights(module: nn.Module, path: Path, weights: Mapping[str, Tensor]) -> None:
    """Puts ``weights`` into ``module``, all of them and nothing else.

    Raises:
        LeafError: naming, sorted, what is missing, what is unexpected and what has another shape
            or dtype; or which weights are not finite.
    """
    problems = differences(module.state_dict(), weights)
    if problems:
        expected = f"the state dict of a {type(module).__name__} of these sizes"
        fix = "give --frontend, --n-filters, --window-len and --sample-rate as in training"
        raise refusal("--weights", expected, f"{path} ({problems})", fix)
    broken = sorted(name for name, values in weights.items() if not torch.isfinite(values).all())
    if broken:
        got = f"NaN or infinity in {', '.join(broken)}"
        raise refusal("--weights", "finite weights", got, "train or convert them again")
    module.load_state_dict(dict(weights), strict=True)
