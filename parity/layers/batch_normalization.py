"""Keras' batch normalisation: fused over the last axis of a map, plain elsewhere."""

from functools import partial
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from leaf_port._ops import synchronized
from leaf_port.normalization import BatchNormalization, synchronize, unsynchronized
from parity import spec
from parity.layers._common import autocast_half, keras
from parity.layers._models import weights_of
from parity.layers._signatures import AFFINE_LACKS, TOLD
from parity.oracles.exact import normalisation
from parity.spec.random_arrays import Source

# The port's layout has the official last axis second; frames and filters follow.
_TO_PORT = {4: (0, 3, 1, 2), 3: (0, 1, 2), 2: (0, 1)}
_TO_OFFICIAL = {4: (0, 2, 3, 1), 3: (0, 1, 2), 2: (0, 1)}
# Of torch's layer: its tools would take this one for it.
_TORCHS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked", "eps", "affine")
_PORT_AXIS = {(4, 3): 1, (4, 2): 3, (4, 1): 2, (3, 2): 2, (3, 1): 1, (2, 1): 1}


class _Permuted(BatchNormalization):
    """The layer, called in the official layout."""

    def __init__(self, features: int, kind: tuple[int, int]) -> None:
        super().__init__(features, _PORT_AXIS[kind])
        self.rank = kind[0]

    def forward(self, inputs: Tensor) -> Tensor:
        permuted = inputs.permute(_TO_PORT[self.rank])
        return super().forward(permuted).permute(_TO_OFFICIAL[self.rank])


def _port(config: spec.Config) -> BatchNormalization:
    rank, axis = config["rank"], config["axis"]
    return _Permuted(config["shape"][axis], (rank, axis))


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    return {"inputs": source.normal(config["shape"][: config["rank"]], 1.0, 0.7)}


def _on_axis(axis: int, shape: tuple[int, ...]) -> Any:
    return BatchNormalization(3, axis=axis)(torch.ones(shape))


def _three_axes() -> Any:
    return BatchNormalization(3)(torch.ones(2, 4, 5, 6))


@torch.no_grad()
def _without_momentum() -> str:
    """All batches count the same in the moving averages, from the first or from a reset."""
    batches = torch.from_numpy(Source(1).normal((5, 16, 3), 2.0, 0.5)).double()
    layer = BatchNormalization(3).double()
    layer.momentum = None
    for start in (0, 2):
        for each in batches[start:]:
            layer(each)
        some = batches[start:]
        mean, variance = some.mean(1).mean(0), some.var(1, correction=0).mean(0)
        for moving, wanted in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            if not torch.allclose(moving, wanted, 1e-12, 1e-12):
                return f"of {len(some)} batches the average is {moving}, not {wanted}"
        layer.reset_running_stats()
    return ""


@torch.no_grad()
def _few_values() -> str:
    """Of a map the unbiased variance moves, of one value 0; of features without one the biased."""
    for count in (1, 2, 3, 4):
        values = torch.from_numpy(Source(count).normal((count, 3), 2.0)).double()
        unbiased = values.var(0) if count > 1 else torch.zeros(3, dtype=torch.float64)
        for shape, wanted in (
            ((count, 3, 1, 1), unbiased),
            ((count, 3), values.var(0, correction=0)),
        ):
            layer = BatchNormalization(3, momentum=0.0).double()
            layer(values.reshape(shape))
            if not torch.allclose(layer.moving_variance, wanted, 1e-12, 1e-12):
                return f"of {count} values of {shape}: {layer.moving_variance}, not {wanted}"
    return ""


@torch.no_grad()
def _forgotten() -> str:
    """What is learned, and what the averages moved to, can be forgotten, or the averages alone."""
    layer = BatchNormalization(3)
    first = {name: value.clone() for name, value in layer.state_dict().items()}
    for forget, kept in ((layer.reset_running_stats, True), (layer.reset_parameters, False)):
        for value in layer.state_dict().values():
            value.fill_(3.0)
        forget()
        for name, value in layer.state_dict().items():
            wanted = 3.0 if kept and not name.startswith("moving") else first[name]
            if not bool((value == wanted).all()):
                return f"{name} is {value}, {wanted} was expected"
    return ""


def _two_processes() -> str:
    """Two processes that have the same batch train as one that has it twice."""
    x = torch.from_numpy(Source(1).normal((3, 4, 2, 2), 2.0)).double().requires_grad_()
    weights = torch.from_numpy(Source(2).normal((3, 4, 2, 2))).double()
    one, two = (BatchNormalization(4).double() for _ in range(2))
    wanted = two(torch.cat([x, x]))[:3]
    (twice,) = torch.autograd.grad(
        (torch.cat([wanted, wanted]) * weights.repeat(2, 1, 1, 1)).sum(), x
    )
    synchronize(one)
    with mock.patch("torch.distributed.all_reduce", lambda total: total.mul_(2)):
        made = one(x)
        (once,) = torch.autograd.grad((made * weights).sum(), x)
    pairs = {"output": (made, wanted), "gradient": (2.0 * once, twice)}
    pairs |= {name: (each, two.get_buffer(name)) for name, each in one.named_buffers()}
    for name, pair in pairs.items():
        if not torch.allclose(*pair, 1e-10, 1e-12):
            return f"another {name}"
    with torch.no_grad(), unsynchronized(one):
        if not torch.equal(one(x), BatchNormalization(4).double()(x)):  # without a group it fails
            return "unsynchronised for a while it is another layer"
    return "" if one.synchronized else "it is left unsynchronised"


@torch.no_grad()
def _counted() -> str:
    """Values are counted where they are, exactly beyond what float32 holds, and of one row."""
    many = (1 << 24) + 1
    twice = mock.patch("torch.distributed.all_reduce", lambda total: total.mul_(2))
    for values in (torch.zeros(1).expand(many), torch.zeros(1, 1).expand(many, 1)):
        with twice, torch.device("meta"):
            count = synchronized.var_mean(values, [0])[2]
        if count != 2 * many:
            return f"{count} values of {tuple(values.shape)} in each of two processes"
    return ""


def _read() -> str:
    """Its number of features and its momentum have torch's names."""
    layer = BatchNormalization(3, momentum=0.75)
    told = layer.num_features, layer.momentum
    return "" if told == (3, 0.75) else f"they are {told}"


def _exact(given: spec.Given) -> spec.Answer:
    axis = given.config["axis"]
    made, state = normalisation.batch(given.inputs["inputs"], given.weights, axis, given.training)
    return spec.exactly(made, state=state)


SPEC = spec.LayerSpec(
    name="batch_normalization",
    mirrors="models.py, lines 67, 121, 146, 180 (tf.keras.layers.BatchNormalization)",
    port=_port,
    official=lambda config: keras("layers.BatchNormalization", axis=config["axis"]),
    configs=[
        *spec.grid(rank=[4, 4, 3], axis=[3, 2, 2], shape=[(2, 7, 6, 5), (3, 5, 4, 1), (2, 30, 3)]),
        {"rank": 4, "axis": 1, "shape": (3, 5, 4, 2)},
        {
            "rank": 4,
            "axis": 3,
            "shape": (1, 1, 1, 3),
        },  # one value a channel: no Bessel's correction
        {"rank": 3, "axis": 1, "shape": (1, 4, 5)},
        {"rank": 2, "axis": 1, "shape": (5, 3)},
    ],
    inputs=_inputs,
    weights=weights_of(_port),
    sampling=spec.Sampling(
        axes=lambda config: {"inputs": ("batch", "time")[: config["axis"]]},
    ),
    training=True,
    training_argument=True,
    exact=_exact,
    budget=spec.Budget(
        port=spec.Bound(5.1, 2.798),
        reference=spec.Bound(7.4, 3.874),
        port_gradient=spec.Bound(5.5, 2.88),
        reference_gradient=spec.Bound(8.3, 4.25),
        double=spec.Bound(5.1, 3.291),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    laws=(
        autocast_half(lambda: BatchNormalization(3), (2, 3, 4, 5)),
        spec.Law("batches without a momentum", _without_momentum),
        spec.Law("the moving variance of few values", _few_values),
        spec.Law("what torch's tools read", _read),
        spec.Law("two processes of one batch", _two_processes),
        spec.Law("how many values two processes have", _counted),
        spec.Law("what is forgotten", _forgotten),
    ),
    signatures=(
        spec.Signature(
            BatchNormalization,
            "tensorflow.keras.layers.BatchNormalization",
            own={
                "num_features": TOLD,
                "axis": spec.Own(1, "channels stand on axis 1 here, on the last one there"),
            },
            lacks={
                **AFFINE_LACKS,
                "moving_mean_initializer": "always zeros",
                "moving_variance_initializer": "always ones",
                "synchronized": "synchronize() does it",
            },
        ),
    ),
    errors=(
        spec.ErrorCase("num_features", lambda: BatchNormalization(0)),
        spec.ErrorCase("inputs", _three_axes),
        spec.ErrorCase("axis", lambda: BatchNormalization(3, axis=0), "normalises each clip"),
        spec.ErrorCase("momentum", lambda: BatchNormalization(3, momentum=1.5), "builds it"),
        spec.ErrorCase("inputs", lambda: BatchNormalization(3)(torch.ones(2))),
        spec.ErrorCase("inputs", lambda: BatchNormalization(3)(torch.ones(0, 3)), "gives NaN"),
        *(
            spec.ErrorCase("inputs", partial(_on_axis, axis, shape))
            for axis, shape in ((1, (3,)), (2, (3, 3)), (3, (3, 3, 3)), (3, (3, 3)), (1, (2,) * 5))
        ),
        spec.ErrorCase("inputs", lambda: BatchNormalization(3)([[0.5, 0.5, 0.5]])),
        spec.ErrorCase("inputs", lambda: BatchNormalization(3)(torch.ones(2, 3).half())),
        spec.ErrorCase("inputs", lambda: BatchNormalization(3)(torch.ones(2, 3).double())),
        spec.ErrorCase("inputs", lambda: BatchNormalization(3)(torch.ones(2, 4))),
        *(spec.ErrorCase(name, partial(getattr, BatchNormalization(3), name)) for name in _TORCHS),
    ),
)
