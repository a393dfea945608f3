"""Pooling with one learnable window."""

from leaf_port import LearnablePooling1d
from parity import spec
from parity.layers._common import uniform, wrong_inputs
from parity.layers._signatures import POOLING
from parity.oracles.exact import pooling
from parity.spec.random_arrays import Source


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    return {
        "inputs": source.normal((config.get("batch", 2), config["frames"], config["channels"])) ** 2
    }


def _arguments(config: spec.Config) -> dict[str, object]:
    return {
        "kernel_size": config["taps"],
        "strides": config["stride"],
        "padding": config["padding"],
    }


SPEC = spec.LayerSpec(
    name="learnable_pooling1d",
    mirrors="pooling.py, lines 24-64",
    port=lambda config: LearnablePooling1d(config["channels"], **_arguments(config)),  # type: ignore[arg-type]
    official=lambda config: spec.Ref("leaf_audio.pooling.LearnablePooling1D")(**_arguments(config)),
    configs=spec.grid(
        frames=[400, 477, 560, 641, 401, 719],
        taps=[101, 64, 25, 401],
        channels=[1, 4, 3],
        stride=[80, 1, 7, 33],
        padding=["SAME", "VALID"],
    ),
    inputs=_inputs,
    weights=lambda _: {"pool/kernel": spec.Weight("kernel", uniform(-0.1, 0.5), random=True)},
    initial=False,
    exact=lambda given: spec.exactly(
        pooling.learnable(
            given.inputs["inputs"], given.weights["pool/kernel"], given.config["stride"]
        )
    ),
    sampling=spec.Sampling(
        explicit=(
            spec.Case(
                "learnable_pooling1d",
                {"frames": 400, "taps": 101, "channels": 1, "stride": 80, "padding": "SAME"},
                signal="denormal",
                draw=1,
            ),
        ),
    ),
    budget=spec.Budget(
        port=spec.Bound(6.4, 5.077),
        reference=spec.Bound(6.4, 4.645),
        port_gradient=spec.Bound(5.4, 3.425),
        reference_gradient=spec.Bound(9.2, 4.207),
        double=spec.Bound(5, 2.852),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(
        spec.Signature(LearnablePooling1d, "leaf_audio.pooling.LearnablePooling1D", own=POOLING),
    ),
    errors=(
        spec.ErrorCase("num_channels", lambda: LearnablePooling1d(0, 5)),
        spec.ErrorCase("kernel_size", lambda: LearnablePooling1d(1, 0)),
        spec.ErrorCase("padding", lambda: LearnablePooling1d(1, 5, padding="full")),
        *wrong_inputs(lambda: LearnablePooling1d(3, 25), 3),
    ),
)
