"""The learned frontend of PANN."""

from leaf_port.models import WaveGram
from parity.layers._frontends import waveforms, wrong_waveforms
from parity.layers._models import from_waveform, overflowing, walk
from parity.layers._reasons import CONSTANT_MAPS, VARIANCE_IN_DOUBLE, WEIGHT_GRADIENT
from parity.oracles.exact import models
from parity.spec import Answer, Bound, Budget, Case, Given, LayerSpec, Ref, exactly, grid


def _exact(given: Given) -> Answer:
    made, state = models.wavegram(given.inputs["inputs"], given.weights, given.training)
    return exactly(made, state=state)


SPEC = LayerSpec(
    name="wavegram",
    mirrors="models.py, lines 161-193",
    port=lambda _: WaveGram(),
    official=lambda _: Ref("leaf_audio.models.WaveGram")(),
    configs=grid(samples=[1003]),
    inputs=waveforms,
    weights=lambda _: walk(WaveGram()),
    call=from_waveform,
    initial=False,
    training=True,
    training_argument=True,
    exact=_exact,
    divergences=("nan_in_max_pooling",),
    explicit=(Case("wavegram", {"samples": 1003}, signal="nan", draw=2),),
    unanswered=overflowing,
    budget=Budget(
        port=Bound(3.9, 1.932),
        reference=Bound(6, 2.992),
        port_gradient=Bound(7.5, 3.716),
        reference_gradient=Bound(11, 5.174),
        double=Bound(26, 12.883, VARIANCE_IN_DOUBLE),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    adverse=Budget(
        port=Bound(17.59, 6.426),
        reference=Bound(100.02, 33.341, CONSTANT_MAPS, at="samples=1003,training,silence,draw=1"),
        port_gradient=Bound(
            311.95, 103.984, WEIGHT_GRADIENT, at="samples=1003,training,silence,draw=1"
        ),
        reference_gradient=Bound(
            116.23, 43.909, CONSTANT_MAPS, at="samples=1003,training,silence,draw=2098415"
        ),
        norm=6.1,
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        reason=CONSTANT_MAPS,
    ),
    errors=wrong_waveforms(WaveGram),
)
