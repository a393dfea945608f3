"""SpecAugment on injected draws."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from leaf_port import SpecAugment
from leaf_port.postprocessing import SpecAugmentDraws
from parity.layers._common import features
from parity.oracles.exact import spec_augment
from parity.source import Source
from parity.spec import Array, Bound, Budget, Config, ErrorCase, LayerSpec, Ref, exactly, grid


def _arguments(config: Config) -> dict[str, Any]:
    return {
        "freq_mask_max_bins": config["bins"],
        "freq_mask_count": config["freq_masks"],
        "time_mask_max_frames": config["mask_frames"],
        "time_mask_count": config["time_masks"],
        "time_mask_max_ratio": config["mask_ratio"],
        "time_warp_max_frames": config["warp"],
        "time_warp_max_ratio": config["warp_ratio"],
    }


def _all_draws(config: Config, source: Source) -> list[tuple[bool, Array]]:
    """Every draw, and whether the official code makes it: it skips what masks or warps nothing."""
    warps = bool(config["warp"]) and config["warp_ratio"] > 0
    in_time = bool(config["mask_frames"] and config["time_masks"]) and config["mask_ratio"] > 0
    in_frequency = bool(config["bins"] and config["freq_masks"])
    most, shape = config["warp"], (2, config["time_masks"])
    unit = (0.0, 1.0)
    return [
        (warps, source.integers((2,), -most, most + 1)),
        (warps, source.uniform((2,), *unit)),
        (in_time, source.uniform(shape, *unit)),
        (in_time, source.uniform(shape, *unit)),
        (in_frequency, source.uniform((2, config["freq_masks"]), *unit)),
        (in_frequency, source.uniform((2, config["freq_masks"]), *unit)),
    ]


def _draws(config: Config, source: Source) -> Sequence[Array]:
    return [draw for made, draw in _all_draws(config, source) if made]


def _call(layer: SpecAugment, inputs: Tensor, draws: list[Tensor]) -> Tensor:
    fields, rest = [], list(draws)
    nothing = inputs.new_zeros(inputs.shape[0], 0)
    for used in (
        layer.time_warp_max_frames and layer.time_warp_max_ratio > 0,
        layer.time_mask_max_frames and layer.time_mask_count and layer.time_mask_max_ratio > 0,
        layer.freq_mask_max_bins and layer.freq_mask_count,
    ):
        fields += [rest.pop(0), rest.pop(0)] if used else [nothing, nothing]
    fields[0] = fields[0].to(inputs.dtype)
    return layer(inputs, SpecAugmentDraws(*fields))


SPEC = LayerSpec(
    name="spec_augment",
    mirrors="postprocessing.py, lines 167-226 (and lingvo/core/spectrum_augmenter.py)",
    port=lambda config: SpecAugment(**_arguments(config)),
    official=lambda config: Ref("leaf_audio.postprocessing.SpecAugment")(**_arguments(config)),
    configs=grid(
        frames=[100, 2, 3, 20, 57, 31, 12],
        channels=[40, 1, 7, 12],
        bins=[10, 27, 0, 3],
        freq_masks=[2, 1, 3],
        mask_frames=[10, 40, 5, 0],
        time_masks=[2, 1],
        mask_ratio=[1.0, 0.3, 0.05],
        warp=[8, 0, 3],
        warp_ratio=[1.0, 0.1],
    ),
    inputs=features,
    draws=_draws,
    patches=("lingvo.core.spectrum_augmenter.tf.random.uniform",),
    call=_call,
    axes=lambda _: {"inputs": ("batch", "time"), "draws": ("batch",)},
    exact=lambda given: exactly(
        spec_augment.augment(given.inputs["inputs"], given.draws, _arguments(given.config))
    ),
    budget=Budget(
        port=Bound(3, 0.964),
        reference=Bound(3, 0.964),
        port_gradient=Bound(3.5, 1.714),
        reference_gradient=Bound(3.18, 1.714),
        double=Bound(3, 1.04),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    errors=(
        ErrorCase("time_mask_count", lambda: SpecAugment(time_mask_count=-1)),
        ErrorCase("inputs", lambda: SpecAugment()(torch.ones(2, 5))),
    ),
)
