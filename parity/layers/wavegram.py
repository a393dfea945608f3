"""The learned frontend of PANN."""

from leaf_port.models import WaveGram
from parity.layers._frontends import waveforms, wrong_waveforms
from parity.layers._models import from_waveform, overflowing, walk
from parity.layers._reasons import CONSTANT_MAPS, VARIANCE_IN_DOUBLE
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
        port=Bound(5.8, 2.895),
        reference=Bound(9.9, 4.902),
        port_gradient=Bound(9.9, 4.912),
        reference_gradient=Bound(12, 5.675),
        double=Bound(44, 21.6, VARIANCE_IN_DOUBLE),
        measured="5.1, 6.9 units in 33 recorded and drawn cases; torch 2.13.0, TF 2.13.1",
    ),
    adverse=Budget(
        port=Bound(7.3, 3.647),
        reference=Bound(55, 27.014, CONSTANT_MAPS),
        port_gradient=Bound(170, 80.237, CONSTANT_MAPS),
        reference_gradient=Bound(40, 19.955, CONSTANT_MAPS),
        double=Bound(44, 21.6, VARIANCE_IN_DOUBLE),
        norm=6.1,
        measured="27, 81 units in 33 recorded and drawn cases; torch 2.13.0, TF 2.13.1",
        reason=CONSTANT_MAPS,
    ),
    errors=wrong_waveforms(WaveGram),
)
