"""Files of torch.export: written and read by torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.export import ExportedProgram

from leaf_port._export.capture import quietly, told

ABOUT = "leaf_port.json"
"""The name of the metadata in the file, JSON."""


def write(program: ExportedProgram, path: Path, metadata: Mapping[str, str]) -> None:
    """Writes a program as one file."""
    about = {ABOUT: json.dumps(dict(metadata), indent=1)}
    with quietly(), told("torch.export.save"), path.open("wb") as file:
        torch.export.save(program, file, extra_files=about)


def read(path: Path) -> Callable[[Tensor], Tensor]:
    """What a file computes, by torch on the CPU."""
    with quietly(), told("torch.export.load"), path.open("rb") as file:
        called = torch.export.load(file).module()

    def run(waveforms: Tensor) -> Tensor:
        with torch.inference_mode():
            return cast(Tensor, called(waveforms))

    return run
