"""The whole classifier: frontend, encoder, pooling, head."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from leaf_port import ChannelsFirst, Leaf, log_compression
from leaf_port.errors import LeafError
from leaf_port.models import AudioClassifier, ConvNet
from parity import spec
from parity.layers._common import below, gabor_kernel
from parity.layers._frontends import GAUSSIAN, waveforms
from parity.layers._models import once, overflowing, walk
from parity.layers._reasons import CONSTANT_MAPS, FUSED_BATCH_NORMALISATION, WEIGHT_GRADIENT
from parity.oracles.exact import frontends, models
from parity.oracles.exact.types import below as part
from parity.spec.random_arrays import Source


def _frontend() -> Leaf:
    return Leaf(n_filters=9, compression_fn=partial(log_compression, log_offset=1e-5))


def _port(config: spec.Config) -> AudioClassifier:
    frontend = _frontend() if config["frontend"] else None
    encoder = ConvNet([4, 5]) if config["encoder"] else None
    return AudioClassifier(11, frontend, encoder, num_features=5 if encoder else None)


def _classifier(num_features: int) -> AudioClassifier:
    return AudioClassifier(3, _frontend(), ConvNet([4, 5]), num_features=num_features)


def _official(config: spec.Config) -> spec.Ref:
    frontend = spec.Ref("leaf_audio.frontend.Leaf")(
        n_filters=9,
        compression_fn=spec.Ref("functools.partial")(
            spec.Ref("leaf_audio.frontend.log_compression"), log_offset=1e-5
        ),
    )
    encoder = spec.Ref("leaf_audio.models.ConvNet")(filters=[4, 5])
    return spec.Ref("leaf_audio.models.AudioClassifier")(
        11,
        frontend=frontend if config["frontend"] else None,
        encoder=encoder if config["encoder"] else None,
    )


def _folder(config: spec.Config) -> Mapping[str, Any]:
    log = {"kind": "log_compression", "arguments": {"log_offset": 1e-5}}
    frontend = {"kind": "Leaf", "arguments": {"n_filters": 9, "compression_fn": log}}
    encoder = {"kind": "ConvNet", "arguments": {"filters": [4, 5]}}
    arguments = {"num_outputs": 11, "frontend": frontend}
    return {
        "kind": "AudioClassifier",
        "arguments": {**arguments, **({"encoder": encoder} if config["encoder"] else {})},
    }


def _encoder_alone() -> str:
    """Without a frontend it pools what its encoder makes of the input, and classifies that."""
    model = AudioClassifier(3, None, ConvNet([4, 5])).eval()
    assert model.encoder is not None  # noqa: S101
    x = torch.from_numpy(Source(1).normal((2, 1, 25, 16)))
    same = torch.equal(model(x), model.head(model.encoder(x).amax((2, 3))))
    return "" if same else "its logits are others"


class _Giving(nn.Module):
    """A frontend of the user's that gives the same whatever comes."""

    def __init__(self, features: Any) -> None:
        super().__init__()
        self.features = features

    def forward(self, _inputs: torch.Tensor) -> Any:
        return self.features


def _classified(features: Any) -> torch.Tensor:
    """The answer of a classifier whose frontend gives this."""
    return AudioClassifier(3, _Giving(features))(torch.ones(2, 5))


def _told() -> str:
    """What a frontend gives that is no batch of features is told: its shape, or its class."""
    for features, got in ((torch.ones(2, 5), "(2, 5)"), ([0.5, 0.5], "<class 'list'>")):
        try:
            _classified(features)
        except LeafError as error:
            if error.got != got:
                return f"{error.got} is told of {got}"
        else:
            return f"{got} is taken"
    return ""


def _parts_told() -> str:
    """What is told are its parts; how many features are pooled only where no part tells it."""
    for frontend, encoder, features in (
        (None, ConvNet([4, 5]), None),
        (_frontend(), None, None),
        (_frontend(), ConvNet([4, 5]), None),
        (None, None, 5),
    ):
        model = AudioClassifier(3, frontend, encoder, num_features=features)
        wanted = {"num_outputs": 3, "frontend": frontend, "encoder": encoder}
        wanted |= {} if features is None else {"num_features": features}
        if (told := model._arguments()) != wanted:
            return f"{told} is told, not {wanted}"
    return ""


def _encoded(*shape: int) -> torch.Tensor:
    """The answer of a classifier whose encoder gives what comes."""
    return AudioClassifier(3, None, nn.Identity(), num_features=4)(torch.ones(shape))


def _weights(config: spec.Config) -> Mapping[str, spec.Weight]:
    classifier = _port(config)
    found = walk(classifier.head, "_head/", "head.")
    if classifier.encoder is not None:
        found |= walk(classifier.encoder, "_encoder/", "encoder.")
    leaf = {"_complex_conv/kernel": spec.Weight("complex_conv.kernel", gabor_kernel), **GAUSSIAN}
    return {**found, **(below("_frontend", "frontend", leaf) if config["frontend"] else {})}


def _exact(given: spec.Given) -> spec.Answer:
    weights = given.weights
    features = frontends.leaf(given.inputs["inputs"], part(weights, "_frontend/"), log_offset=1e-5)
    made, state = features[..., None], dict[str, spec.Array]()
    if given.config["encoder"]:
        encoder = part(weights, "_encoder/")
        made, moved = models.conv_net(made, encoder, 2, given.training)
        state = {f"_encoder/{name}": value for name, value in moved.items()}
    return spec.exactly(models.head(made, part(weights, "_head/")), state=state)


_CLICK = "not recorded: samples=3276,…,training,click,draw=2910; TensorFlow 2.21"

SPEC = spec.LayerSpec(
    name="audio_classifier",
    mirrors="models.py, lines 25-59",
    port=_port,
    official=_official,
    configs=spec.grid(samples=[4000, 2711], frontend=[True, True], encoder=[True, False]),
    inputs=waveforms,
    weights=once(_weights),
    initial=False,
    training=True,
    training_argument=True,
    exact=_exact,
    exceptions=spec.Exceptions(
        divergences=("nan_in_max_pooling",),
        adverse=spec.Budget(
            port=spec.Bound(5, 1.42),
            reference=spec.Bound(32, 15.63, CONSTANT_MAPS, at=_CLICK),
            port_gradient=spec.Bound(
                24,
                12.33,
                WEIGHT_GRADIENT,
                at="samples=3200,frontend=True,encoder=True,training,denormal,draw=65736",
            ),
            reference_gradient=spec.Bound(40, 20.04, CONSTANT_MAPS, at=_CLICK),
            norm=18,
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
            reason=CONSTANT_MAPS,
        ),
    ),
    sampling=spec.Sampling(
        explicit=(
            spec.Case(
                "audio_classifier",
                {"samples": 4000, "frontend": True, "encoder": True},
                signal="nan",
                draw=2,
            ),
        ),
        unanswered=overflowing,
    ),
    budget=spec.Budget(
        port=spec.Bound(5, 1.989),
        reference=spec.Bound(14, 6.038),
        port_gradient=spec.Bound(15, 6.668),
        reference_gradient=spec.Bound(
            22,
            10.892,
            FUSED_BATCH_NORMALISATION,
            at="samples=2716,frontend=True,encoder=True,training,draw=28091",
        ),
        double=spec.Bound(5, 2.963),
        norm=18,
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        reason=FUSED_BATCH_NORMALISATION,
    ),
    folder=_folder,
    laws=(
        spec.Law("an encoder alone", _encoder_alone),
        spec.Law("what is told of a frontend that does not fit", _told),
        spec.Law("what is told of its parts", _parts_told),
    ),
    signatures=(
        spec.Signature(
            AudioClassifier,
            "leaf_audio.models.AudioClassifier",
            own={"num_features": spec.Own(None, "the width of the head; Keras finds it out")},
        ),
    ),
    errors=(
        spec.ErrorCase("num_outputs", lambda: AudioClassifier(0, _frontend())),
        spec.ErrorCase("encoder", lambda: AudioClassifier(3, _frontend(), "convnet")),  # type: ignore[arg-type]
        spec.ErrorCase("frontend", lambda: AudioClassifier(3, nn.Identity())(torch.ones(2, 5))),
        spec.ErrorCase("frontend", lambda: _classified([0.5, 0.5])),
        spec.ErrorCase("frontend", lambda: AudioClassifier(3, ChannelsFirst(_frontend()))),
        spec.ErrorCase("inputs", lambda: _encoded(2, 5, 3, 3)),
        spec.ErrorCase("inputs", lambda: _encoded(2, 4, 3)),
        spec.ErrorCase("num_features", lambda: AudioClassifier(3, None, nn.ReLU()), "finds it out"),
        spec.ErrorCase("num_features", lambda: _classifier(7), "has no such argument"),
    ),
)
