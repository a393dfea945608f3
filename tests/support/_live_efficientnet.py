# ruff: noqa: E402 - the reference is found by an argument
"""Run by TensorFlow's interpreter: official classifiers with Keras' EfficientNetB0, and answers.

    PYTHON tests/support/_live_efficientnet.py CHECKOUT WORKER FOLDER

``object`` is an object checkpoint, ``x.h5`` and ``x.weights.h5`` hold the same model; ``adapted``
is a checkpoint whose input normalisation has other statistics, ``adapted.weights.h5`` the same.
"""

import importlib.util
import os
import sys
from pathlib import Path

checkout, worker, folder = sys.argv[1:]
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.path.insert(0, checkout)

import numpy as np
import tensorflow as tf

spec = importlib.util.spec_from_file_location("worker", worker)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.stand_in_for_missing()

from leaf_audio import frontend, models

keras = tf.keras
CLIPS = np.random.RandomState(0).uniform(-0.5, 0.5, (2, 8000)).astype(np.float32)


def path_of(name):
    return str(Path(folder, name))


encoder = keras.applications.EfficientNetB0(
    include_top=False, weights=None, input_shape=(None, None, 3)
)
model = models.AudioClassifier(
    num_outputs=3, frontend=frontend.MelFilterbanks(n_filters=40), encoder=encoder
)
model(CLIPS, training=False)
random = np.random.RandomState(1)
normalization = next(layer for layer in encoder.layers if hasattr(layer, "adapt"))
for weight in model.weights:
    if any(weight is each for each in normalization.weights):
        continue
    size = np.abs(weight.numpy()).mean()
    weight.assign_add((0.1 * size * random.uniform(0.0, 1.0, weight.shape)).astype(np.float32))
logits = model(CLIPS, training=False).numpy()
tf.train.Checkpoint(model=model).write(path_of("object"))
model.save_weights(path_of("x.h5"))
model.save_weights(path_of("x.weights.h5"))

for weight in normalization.weights[:2]:  # as a model has them that loaded an adapted .h5
    weight.assign(random.uniform(0.5, 2.0, weight.shape).astype(np.float32))
normalization.finalize_state()
tf.train.Checkpoint(model=model).write(path_of("adapted"))
model.save_weights(path_of("adapted.weights.h5"))
adapted = model(CLIPS, training=False).numpy()
np.savez(path_of("answers.npz"), clips=CLIPS, logits=logits, adapted=adapted)
