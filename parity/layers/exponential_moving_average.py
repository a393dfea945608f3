"""The learned smoother."""

import torch

from leaf_port import ExponentialMovingAverage
from parity import spec
from parity.layers import _smoother_laws
from parity.layers._common import features, refused_states, uniform
from parity.layers._signatures import TOLD
from parity.oracles.exact import compression
from parity.spec.random_arrays import Source


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    inputs = features(config, source)["inputs"]
    first = inputs[:, 0].copy()
    own = config.get("state") == "own"
    return {"inputs": inputs, "initial_state": source.uniform(first.shape) if own else first}


def _beyond() -> str:
    """A coefficient beyond 0 or 1 counts as the nearest of them."""
    layer = ExponentialMovingAverage(4, 0.5, per_channel=True)
    x, state = torch.from_numpy(Source(1).uniform((2, 9, 4))), torch.full((2, 4), 0.5)
    with torch.no_grad():
        layer.smooth.copy_(torch.tensor([1.5, -0.5, 3.0, -1e30]))
        beyond = layer(x, state)
        layer.smooth.copy_(torch.tensor([1.0, 0.0, 1.0, 0.0]))
        return "" if torch.equal(beyond, layer(x, state)) else "it counts as another one"


@torch.no_grad()
def _infinite() -> str:
    """What is not finite goes through the frames as through a loop over them."""
    infinite = float("inf")
    inputs = torch.ones(1, 20, 5)
    inputs[0, 2, :4], inputs[0, 5, 1] = torch.tensor([infinite, -infinite, infinite, 0.5]), infinite
    inputs[0, 0, 4] = infinite
    layer = ExponentialMovingAverage(5, 0.5, per_channel=True)
    # The eighth power of what is left of the last one, 2^-24, is zero.
    layer.smooth.copy_(torch.tensor([0.5, 0.25, 1.0, 0.0, 1.0 - 2.0**-24]))
    m, frames = inputs[:, 0], []
    for x in inputs.unbind(1):
        m = layer.smooth * x + (1 - layer.smooth) * m
        frames.append(m)
    got, wanted = layer(inputs, inputs[:, 0]), torch.stack(frames, 1)
    pairs = ((torch.isnan(each), each == infinite, each == -infinite) for each in (got, wanted))
    same = all(torch.equal(*pair) for pair in zip(*pairs, strict=True))
    return "" if same else f"{got.tolist()}, not {wanted.tolist()}"


SPEC = spec.LayerSpec(
    name="exponential_moving_average",
    mirrors="postprocessing.py, lines 27-65",
    port=lambda config: ExponentialMovingAverage(
        config["channels"], config["coefficient"], config["per_channel"], trainable=True
    ),
    official=lambda config: spec.Ref("leaf_audio.postprocessing.ExponentialMovingAverage")(
        config["coefficient"], per_channel=config["per_channel"], trainable=True
    ),
    configs=[
        *spec.grid(
            frames=[1, 2, 3, 50, 128, 257],
            channels=[1, 40, 5],
            coefficient=[0.04, 0.0, 1.0, 0.5],
            per_channel=[False, True],
        ),
        # As PCEN calls it the state is the first frame, which hides how a smoother begins.
        {"frames": 37, "channels": 4, "coefficient": 0.3, "per_channel": True, "state": "own"},
    ],
    inputs=_inputs,
    weights=lambda _: {"smooth": spec.Weight("smooth", uniform(-0.01, 0.3))},  # bounds: 0, 1
    differentiable=("inputs", "initial_state"),
    sampling=spec.Sampling(
        axes=lambda _: {"inputs": ("batch", "time"), "initial_state": ("batch",)},
        batched=("inputs", "initial_state"),
    ),
    exact=lambda given: spec.exactly(
        compression.moving_average(
            given.inputs["inputs"], given.weights["smooth"], given.inputs["initial_state"]
        )
    ),
    budget=spec.Budget(
        port=spec.Bound(6.2, 2.653),
        reference=spec.Bound(
            9.5, 4.795, at="not recorded: frames=204,channels=37,per_channel=True,draw=190"
        ),
        port_gradient=spec.Bound(5, 3.227),
        reference_gradient=spec.Bound(5.8, 2.032),
        double=spec.Bound(6, 2.544),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    autocast=True,
    signatures=(
        spec.Signature(
            ExponentialMovingAverage,
            "leaf_audio.postprocessing.ExponentialMovingAverage",
            own={"num_channels": TOLD},
        ),
    ),
    laws=(
        spec.Law("coefficients beyond their bounds", _beyond),
        spec.Law("infinities", _infinite),
        *(spec.Law(name, law) for name, law in _smoother_laws.LAWS.items()),
    ),
    errors=(
        spec.ErrorCase("num_channels", lambda: ExponentialMovingAverage(0, 0.04)),
        spec.ErrorCase("coeff_init", lambda: ExponentialMovingAverage(3, 1e39), "gives infinity"),
        spec.ErrorCase(
            "coeff_init", lambda: ExponentialMovingAverage(3, float("nan")), "gives NaN"
        ),
        spec.ErrorCase(
            "inputs",
            lambda: ExponentialMovingAverage(3, 0.04)(torch.ones(1, 5, 2), torch.ones(1, 2)),
            "builds itself for two channels",
        ),
        spec.ErrorCase(
            "inputs",
            lambda: ExponentialMovingAverage(3, 0.04)(torch.ones(2, 0, 3), torch.ones(2, 3)),
            "gives no frames",
        ),
        *refused_states(lambda: ExponentialMovingAverage(3, 0.04)),
    ),
)
