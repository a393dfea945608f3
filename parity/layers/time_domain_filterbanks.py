"""Time-domain filterbanks."""

from collections.abc import Mapping

from leaf_port import TimeDomainFilterbanks
from parity.layers._common import normal, uniform
from parity.layers._frontends import waveforms, wrong_sizes, wrong_waveforms
from parity.layers._reasons import ONE_BY_ONE
from parity.layers.gabor_init_taps import tap_rounding
from parity.oracles.exact import frontends
from parity.spec import (
    Array,
    Bound,
    Budget,
    Config,
    ErrorCase,
    LayerSpec,
    Ref,
    Weight,
    exactly,
    grid,
)

_BAND = {"sample_rate": 16000, "min_freq": 60.0, "max_freq": 7800.0, "taps": 401}


def _constants(config: Config) -> Mapping[str, Array]:
    return {"complex_conv.kernel": tap_rounding({**_BAND, "filters": config["filters"]})}


def _weights(_config: Config) -> Mapping[str, Weight]:
    return {
        "_complex_conv/kernel": Weight("complex_conv.kernel", normal(0.05)),
        "_pooling/pool/kernel": Weight("pooling.kernel", uniform(0.0, 0.3)),
    }


_SUMS = (
    "float32 adds up 401 products one after another, here and there; a unit counts a sum "
    "as one rounding (added so by hand they are 13 units off)"
)

_BACKWARD = (
    "the sums of the forward and of the backward pass: float32 adds up hundreds to "
    "thousands of products one after another, here and there; a unit counts a sum as one "
    "rounding"
)

SPEC = LayerSpec(
    name="time_domain_filterbanks",
    mirrors="frontend.py, lines 222-256",
    port=lambda config: TimeDomainFilterbanks(n_filters=config["filters"]),
    official=lambda config: Ref("leaf_audio.frontend.TimeDomainFilterbanks")(
        n_filters=config["filters"]
    ),
    configs=grid(samples=[16000, 401, 1760, 2222], filters=[40, 6, 9, 5], batch=[1, 2, 2, 2]),
    inputs=waveforms,
    weights=_weights,
    constants=_constants,
    exact=lambda given: exactly(
        frontends.time_domain_filterbanks(given.inputs["inputs"], given.weights)
    ),
    budget=Budget(
        port=Bound(46, 22.663, ONE_BY_ONE),
        reference=Bound(46, 22.663, ONE_BY_ONE),
        port_gradient=Bound(90, 44.94, ONE_BY_ONE),
        reference_gradient=Bound(50, 24.976, ONE_BY_ONE),
        double=Bound(41, 20.2, ONE_BY_ONE),
        measured="8.3, 50 units in 58 recorded and drawn cases; torch 2.13.0, TF 2.13.1",
    ),
    errors=(
        *wrong_sizes(TimeDomainFilterbanks),
        *wrong_waveforms(lambda: TimeDomainFilterbanks(n_filters=3)),
        ErrorCase("max_freq", lambda: TimeDomainFilterbanks(sample_rate=8000)),
    ),
)
