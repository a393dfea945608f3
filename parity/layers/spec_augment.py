"""SpecAugment on injected draws."""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from leaf_port import SpecAugment
from leaf_port.postprocessing import SpecAugmentDraws
from parity import spec
from parity.layers._common import features
from parity.oracles.exact import spec_augment
from parity.spec.random_arrays import Source


def _arguments(config: spec.Config) -> dict[str, Any]:
    return {
        "freq_mask_max_bins": config["bins"],
        "freq_mask_count": config["freq_masks"],
        "time_mask_max_frames": config["mask_frames"],
        "time_mask_count": config["time_masks"],
        "time_mask_max_ratio": config["mask_ratio"],
        "time_warp_max_frames": config["warp"],
        "time_warp_max_ratio": config["warp_ratio"],
    }


def _all_draws(config: spec.Config, source: Source) -> list[tuple[bool, spec.Array]]:
    """Every draw, and whether the official code makes it: it skips what masks or warps nothing."""
    warps = bool(config["warp"]) and config["warp_ratio"] > 0
    in_time = bool(config["mask_frames"] and config["time_masks"]) and config["mask_ratio"] > 0
    in_frequency = bool(config["bins"] and config["freq_masks"])
    batch = config.get("batch", 2)
    most, shape = config["warp"], (batch, config["time_masks"])
    unit = (0.0, 1.0)
    return [
        (warps, source.integers((batch,), -most, most + 1)),
        (warps, source.uniform((batch,), *unit)),
        (in_time, source.uniform(shape, *unit)),
        (in_time, source.uniform(shape, *unit)),
        (in_frequency, source.uniform((batch, config["freq_masks"]), *unit)),
        (in_frequency, source.uniform((batch, config["freq_masks"]), *unit)),
    ]


def _draws(config: spec.Config, source: Source) -> Sequence[spec.Array]:
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


def _own_draws() -> str:
    """Without draws it makes its own, in the order of :meth:`SpecAugment.draw`."""
    layer = SpecAugment()
    x = torch.from_numpy(Source(1).uniform((3, 30, 12)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        own = layer(x)
        torch.manual_seed(7)
        given = layer(x, layer.draw(3, x))
    seeded = layer(x, layer.draw(3, x, torch.Generator().manual_seed(7)))
    same = torch.equal(own, given) and torch.equal(own, seeded)
    return "" if same else "the augmented features are others"


def _ranges() -> str:
    """Whole shifts up to the greatest, both signs; all else uniform in [0, 1)."""
    layer, clips = SpecAugment(time_mask_count=3, time_warp_max_frames=5), 4000
    draws = layer.draw(clips, torch.ones(1), torch.Generator().manual_seed(0))
    shifts, times, rows = draws.warp_shift.tolist(), (clips, 3), (clips, 2)
    if sorted(set(shifts)) != list(range(-5, 6)):
        return f"shifts of {sorted(set(shifts))}"
    shapes = [tuple(each.shape) for each in draws]
    if shapes != [(clips,), (clips,), times, times, rows, rows]:
        return f"draws of {shapes}"
    for name, each in list(zip(draws._fields, draws, strict=True))[1:]:
        low, mean, high = float(each.min()), float(each.mean()), float(each.max())
        # Each end is nearer than 0.01 and the mean within 8 deviations of it, or by less than
        # one seed in 1e14 not.
        if not (0 <= low < 0.01 and 0.99 < high < 1 and abs(mean - 0.5) < 8 * (12 * clips) ** -0.5):
            return f"{name} from {low} to {high}, {mean} in the mean"
    return ""


def _types() -> str:
    """All draws are of the type that the features are."""
    for dtype in (torch.float32, torch.float64):
        draws = SpecAugment().draw(2, torch.ones(1, dtype=dtype))
        if others := [each.dtype for each in draws if each.dtype != dtype]:
            return f"{others} of {dtype}"
    return ""


def _device() -> str:
    """All draws are made where the features are."""
    draws = SpecAugment().draw(2, torch.ones(1, device="meta"))
    others = [each.device for each in draws if not each.is_meta]
    return f"{others}, not meta" if others else ""


def _any_batch() -> str:
    """A graph of it makes the draws of any batch."""
    layer, x = SpecAugment(), torch.ones(3, 20, 5)
    free = ({0: torch.export.Dim("batch", min=2)},)
    graph = torch.export.export(layer, (x,), dynamic_shapes=free).module()
    shape = tuple(graph(torch.ones(7, 20, 5)).shape)
    return "" if shape == (7, 20, 5) else f"seven clips become {shape}"


def _nothing() -> str:
    """What masks and warps nothing leaves features as they are, even one frame, without draws."""
    nothing = (
        {"freq_mask_max_bins": 0, "time_mask_max_frames": 0},
        {"freq_mask_count": 0, "time_mask_count": 0},
        {"freq_mask_count": 0, "time_mask_max_ratio": 0.0},
    )
    for masks, warp in itertools.product(
        nothing, ({"time_warp_max_frames": 0}, {"time_warp_max_ratio": 0.0})
    ):
        for frames in (1, 20):
            x = torch.from_numpy(Source(1).uniform((3, frames, 12)))
            layer, unused = SpecAugment(**masks, **warp), SpecAugmentDraws(*[None] * 6)  # type: ignore[arg-type]
            if not (torch.equal(layer(x), x) and torch.equal(layer(x, unused), x)):
                return f"{masks} and {warp} change features of {frames} frames"
    return ""


def _least_warp() -> str:
    """The least warp, of one frame, moves frames."""
    layer = SpecAugment(freq_mask_count=0, time_mask_count=0, time_warp_max_frames=1)
    x, one, none = torch.arange(10.0).reshape(1, 10, 1), torch.ones(1), torch.zeros(1, 0)
    warped = layer(x, SpecAugmentDraws(one, 0.5 * one, none, none, none, none))
    return "the features are as they were" if torch.equal(warped, x) else ""


def _whole_shifts() -> str:
    """Shifts may come as whole numbers: they move frames as the same numbers in float64 do."""
    layer, x = SpecAugment(), torch.from_numpy(Source(1).uniform((3, 30, 12))).double()
    draws = layer.draw(3, x, torch.Generator().manual_seed(0))
    whole = draws._replace(warp_shift=draws.warp_shift.long())
    same = torch.equal(layer(x, draws), layer(x, whole))
    return "" if same else "the features are others"


# 0.7 is a little less in float32; its product with 10 is 7 there, and less in float64. That of 0.29
# with 100 is 29 in float32, and less where either factor is in float64.
_WHOLE_IN_FLOAT32 = [
    {
        **{"frames": frames, "channels": 7, "bins": 0, "freq_masks": 1, "batch": 8},
        **{"mask_frames": longest, "time_masks": 1, "mask_ratio": ratio},
        **{"warp": frames - longest, "warp_ratio": ratio},
    }
    for frames, ratio in ((10, 0.7), (100, 0.29))
    for longest in (frames, 0)
]

SPEC = spec.LayerSpec(
    name="spec_augment",
    mirrors="postprocessing.py, lines 167-226 (and lingvo/core/spectrum_augmenter.py)",
    port=lambda config: SpecAugment(**_arguments(config)),
    official=lambda config: spec.Ref("leaf_audio.postprocessing.SpecAugment")(**_arguments(config)),
    configs=spec.grid(
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
    sampling=spec.Sampling(
        edges=_WHOLE_IN_FLOAT32,
        axes=lambda _: {"inputs": ("batch", "time"), "draws": ("batch",)},
    ),
    exact=lambda given: spec.exactly(
        spec_augment.augment(given.inputs["inputs"], given.draws, _arguments(given.config))
    ),
    budget=spec.Budget(
        port=spec.Bound(5, 1.189),
        reference=spec.Bound(5, 0.797),
        port_gradient=spec.Bound(5, 2.976),
        reference_gradient=spec.Bound(5, 1.108),
        double=spec.Bound(5, 1.563),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    autocast=True,
    laws=(
        spec.Law("its own draws", _own_draws),
        spec.Law("the range of the draws", _ranges),
        spec.Law("the type of the draws", _types),
        spec.Law("the device of the draws", _device),
        spec.Law("a graph of its draws", _any_batch),
        spec.Law("a warp of one frame", _least_warp),
        spec.Law("shifts of whole numbers", _whole_shifts),
        spec.Law("nothing to mask or warp", _nothing),
    ),
    signatures=(spec.Signature(SpecAugment, "leaf_audio.postprocessing.SpecAugment"),),
    errors=(
        spec.ErrorCase("time_mask_count", lambda: SpecAugment(time_mask_count=-1)),
        spec.ErrorCase("inputs", lambda: SpecAugment()(torch.ones(2, 5))),
        spec.ErrorCase("inputs", lambda: SpecAugment()(torch.ones(2, 1, 5)), "gives NaN"),
    ),
)
