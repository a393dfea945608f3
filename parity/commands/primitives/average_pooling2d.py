"""Mean over windows laid end to end, SAME padding left out of it."""

from leaf_port._model_layers import SameAvgPool2d
from parity import spec
from parity.commands.primitives._common import Primitive, normal_map
from parity.layers._common import keras
from parity.layers._models import channels_last
from parity.oracles.exact import pooling


def _window(config: spec.Config) -> tuple[int, int]:
    return config["rows"], config["columns"]


PRIMITIVE = Primitive(
    spec.LayerSpec(
        name="average_pooling2d",
        mirrors="tf.keras.layers.AveragePooling2D, padding SAME",
        port=lambda config: SameAvgPool2d("average_pooling2d", _window(config)),
        official=lambda config: keras(
            "layers.AveragePooling2D", list(_window(config)), padding="same"
        ),
        configs=spec.grid(
            frames=[1, 9, 40],
            filters=[1, 7, 20],
            channels=[1, 4],
            rows=[1, 2, 5],
            columns=[2, 1, 6],
        ),
        sampling=spec.Sampling(
            sizes=("frames", "filters", "channels", "rows", "columns"),
        ),
        inputs=normal_map,
        call=channels_last,
        exact=lambda given: spec.exactly(
            pooling.average_2d(given.inputs["inputs"], _window(given.config))
        ),
        budget=spec.Budget(
            port=spec.Bound(7.4, 3.74),
            reference=spec.Bound(7.4, 3.74),
            port_gradient=spec.Bound(5, 0.949),
            reference_gradient=spec.Bound(5, 0.949),
            measured="0, 0 units but for denormals; torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
        errors=(spec.ErrorCase("pool_size", lambda: SameAvgPool2d("here", (0, 1))),),
    ),
)
