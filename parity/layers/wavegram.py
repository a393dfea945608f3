"""The learned frontend of PANN."""

import torch

from leaf_port.models import WaveGram
from parity import spec
from parity.layers._frontends import waveforms, wrong_waveforms
from parity.layers._models import from_waveform, overflowing, weights_of
from parity.layers._reasons import CONSTANT_MAPS, WEIGHT_GRADIENT
from parity.oracles.exact import models
from parity.spec.random_arrays import Source


def _exact(given: spec.Given) -> spec.Answer:
    made, state = models.wavegram(given.inputs["inputs"], given.weights, given.training)
    return spec.exactly(made, state=state)


def _map() -> str:
    """The last block gets a map with channels last in memory, which it is faster on, and no view.

    torch 2.13 cannot compile the training of a view of dynamic length.
    """
    model, given = WaveGram(), list[torch.Tensor]()
    model.last_block.register_forward_pre_hook(lambda _block, inputs: given.extend(inputs))
    with torch.enable_grad():
        model(torch.from_numpy(Source(1).audio(2, 1003)))
    (made,) = given
    if made._is_view():
        return "it is a view"
    last = made.is_contiguous(memory_format=torch.channels_last)
    return "" if last else f"its strides are {made.stride()}"


SPEC = spec.LayerSpec(
    name="wavegram",
    mirrors="models.py, lines 161-193",
    port=lambda _: WaveGram(),
    official=lambda _: spec.Ref("leaf_audio.models.WaveGram")(),
    configs=spec.grid(samples=[1003]),
    inputs=waveforms,
    weights=weights_of(lambda _: WaveGram()),
    call=from_waveform,
    initial=False,
    training=True,
    training_argument=True,
    exact=_exact,
    exceptions=spec.Exceptions(
        divergences=("nan_in_max_pooling",),
        adverse=spec.Budget(
            port=spec.Bound(12, 6.0, at="not recorded: samples=1003,training,denormal,draw=3742"),
            reference=spec.Bound(12, 5.501),
            port_gradient=spec.Bound(
                210, 190.006, WEIGHT_GRADIENT, at="samples=1003,training,silence,draw=239"
            ),
            reference_gradient=spec.Bound(
                180,
                87.67,
                CONSTANT_MAPS,
                at="not recorded: samples=1003,training,silence,draw=223; TensorFlow 2.21",
            ),
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
    ),
    sampling=spec.Sampling(
        explicit=(spec.Case("wavegram", {"samples": 1003}, signal="nan", draw=2),),
        unanswered=overflowing,
    ),
    budget=spec.Budget(
        port=spec.Bound(5, 2.49),
        reference=spec.Bound(5, 1.964),
        port_gradient=spec.Bound(5, 4.592),
        reference_gradient=spec.Bound(5, 4.227),
        double=spec.Bound(6.6, 3.818),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(spec.Signature(WaveGram, "leaf_audio.models.WaveGram"),),
    laws=(spec.Law("the map of its last block", _map),),
    errors=wrong_waveforms(WaveGram),
)
