"""The block of PANN."""

import itertools

import torch
from torch import Tensor

from leaf_port.models import PANNConvBlock
from parity import spec
from parity.layers._common import by_torch
from parity.layers._models import channels_last, maps, weights_of
from parity.layers._reasons import CONSTANT_MAPS, WEIGHT_GRADIENT
from parity.layers._signatures import IN_CHANNELS
from parity.oracles.exact import models
from parity.port.feature_masking import LACKING


def _port(config: spec.Config) -> PANNConvBlock:
    return PANNConvBlock(config["filters"], config["pool"], in_channels=config["channels"])


def _exact(given: spec.Given) -> spec.Answer:
    pool = given.config["pool"]
    made, state = models.pann_conv_block(
        given.inputs["inputs"], given.weights, pool, given.training
    )
    return spec.exactly(made, state=state)


@torch.no_grad()
def _means_of_integers() -> str:
    """A sum of integers is exact, so that a mean is their quotient, rounded once.

    Also of multiples of the least number, and on a device that lacks torch's own pooling.
    """
    integers = torch.arange(2 * 3 * 11 * 8).reshape(2, 3, 11, 8)
    for window, unit in itertools.product(_WINDOWS, (1.0, _LEAST)):
        pool, x = PANNConvBlock(1, window, in_channels=1)[-1], unit * integers.float()
        wanted = _means(integers, window)
        wanted = wanted.float() if unit == 1.0 else unit * wanted.round().float()
        if not torch.equal(pool(x), wanted):
            return f"windows of {window} have other means, of multiples of {unit}"
        with LACKING.settings():
            if not torch.equal(pool(x), wanted):
                return f"without torch's pooling windows of {window} have other means"
    return ""


def _block() -> PANNConvBlock:
    return PANNConvBlock(3, (2, 2), in_channels=1)


_LEAST = 2.0**-149
_WINDOWS = ((4, 3), (1, 1), (1, 2), (2, 1), (3, 3), (12, 9))


def _means(integers: Tensor, window: tuple[int, int]) -> Tensor:
    """In float64, each window as far as it is on the map."""
    rows, columns = map(_edges, integers.shape[-2:], window)
    parts = [integers[..., slice(*row), slice(*column)] for row in rows for column in columns]
    means = [part.double().mean((2, 3)) for part in parts]
    return torch.stack(means, -1).unflatten(-1, (len(rows), len(columns)))


def _edges(size: int, taps: int) -> list[tuple[int, int]]:
    """Where windows start and end under SAME padding, of which the greater half is behind."""
    count = -(-size // taps)
    before = (count * taps - size) // 2
    starts = [taps * number - before for number in range(count)]
    return [(max(start, 0), min(start + taps, size)) for start in starts]


_MODERN = "not recorded: TensorFlow 2.21, by `parity live`"

SPEC = spec.LayerSpec(
    name="pann_conv_block",
    mirrors="models.py, lines 130-158",
    port=_port,
    official=lambda config: spec.Ref("leaf_audio.models.PANNConvBlock")(
        config["filters"], list(config["pool"])
    ),
    configs=spec.grid(
        map=[(11, 8), (2, 3), (20, 7), (9, 9)],
        channels=[1, 3],
        filters=[4, 5],
        pool=[(2, 2), (1, 1), (2, 1), (4, 3)],
    ),
    inputs=maps,
    weights=weights_of(_port),
    call=channels_last,
    initial=False,
    training=True,
    training_argument=True,
    exact=_exact,
    sampling=spec.Sampling(
        explicit=(
            spec.Case(
                "pann_conv_block",
                {"map": [11, 8], "channels": 1, "filters": 4, "pool": [2, 2]},
                signal="infinity",
                draw=2,
            ),
        ),
    ),
    budget=spec.Budget(
        port=spec.Bound(5, 3.706),
        reference=spec.Bound(5.3, 3.323),
        port_gradient=spec.Bound(6.1, 4.077),
        reference_gradient=spec.Bound(11, 5.51, at=_MODERN),
        double=spec.Bound(6.2, 3.803),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    exceptions=spec.Exceptions(
        adverse=spec.Budget(
            port=spec.Bound(5.8, 2.479),
            reference=spec.Bound(20, 10.943, CONSTANT_MAPS),
            port_gradient=spec.Bound(
                37,
                21.406,
                WEIGHT_GRADIENT,
                at="map=20x7,channels=1,filters=4,pool=2x1,training,click,draw=1243",
            ),
            reference_gradient=spec.Bound(18, 14.292, CONSTANT_MAPS),
            norm=11,
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
            reason=CONSTANT_MAPS,
        ),
    ),
    laws=(
        spec.Law("means of integers", _means_of_integers),
        by_torch("average pooling", "avg_pool2d", _block, (1, 1, 4, 4)),
    ),
    signatures=(spec.Signature(PANNConvBlock, "leaf_audio.models.PANNConvBlock", own=IN_CHANNELS),),
    errors=(
        spec.ErrorCase("filters", lambda: PANNConvBlock(0, (2, 2), in_channels=1)),
        spec.ErrorCase("pool_size", lambda: PANNConvBlock(3, (0, 2), in_channels=1)),
        spec.ErrorCase("pool_size", lambda: PANNConvBlock(3, (2,), in_channels=1)),  # type: ignore[arg-type]
    ),
)
