"""The learned frontend of PANN."""

from leaf_port.models import WaveGram
from parity.layers._frontends import waveforms, wrong_waveforms
from parity.layers._models import from_waveform, overflowing, walk
from parity.layers._reasons import CONSTANT_MAPS, WEIGHT_GRADIENT
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
        port=Bound(5, 2.046),
        reference=Bound(5, 1.964),
        port_gradient=Bound(5, 3.86),
        reference_gradient=Bound(5, 4.227),
        double=Bound(6.6, 3.272),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    adverse=Budget(
        port=Bound(12, 6.0, at="not recorded: samples=1003,training,denormal,draw=3742"),
        reference=Bound(12, 5.501),
        port_gradient=Bound(
            210, 103.254, WEIGHT_GRADIENT, at="samples=1003,training,silence,draw=239"
        ),
        reference_gradient=Bound(
            180,
            87.67,
            CONSTANT_MAPS,
            at="not recorded: samples=1003,training,silence,draw=223; TensorFlow 2.21",
        ),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    errors=wrong_waveforms(WaveGram),
)
