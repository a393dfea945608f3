"""The learned frontend of PANN."""

from leaf_port.models import WaveGram
from parity.layers._frontends import waveforms, wrong_waveforms
from parity.layers._models import from_waveform, walk
from parity.oracles.exact import models
from parity.spec import Answer, Bound, Budget, Given, LayerSpec, Ref, exactly, grid


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
    budget=Budget(
        forward=6.5,
        gradient=17,
        port=Bound(4.6, 2.3),
        reference=Bound(5.7, 2.85),
        port_gradient=Bound(8.2, 4.08),
        reference_gradient=Bound(13, 6.42),
        worst="3.2, 8 units; 3.3e-06, 6.1e-06 relative; torch 2.13.0, TF 2.13.1",
    ),
    errors=wrong_waveforms(WaveGram),
)
