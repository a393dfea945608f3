# ruff: noqa: E402 - the reference is found by an argument
"""Run by TensorFlow's interpreter: checkpoints beside those that are recorded, with their answers.

    PYTHON tests/support/_live_neighbours.py CHECKOUT WORKER FOLDER

Each case is a folder: files, and ``step.npz`` (gradients and weights of one more step, in the order
of the trainable variables) or ``weights.npz`` (of the frontend, by official path).
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

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
spec = importlib.util.spec_from_file_location("worker", worker)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.stand_in_for_missing()

from leaf_audio import frontend, models

keras = tf.keras
CLIPS = np.random.RandomState(0).uniform(-0.5, 0.5, (2, 2000)).astype(np.float32)


def path_of(*parts):
    made = Path(folder, *parts)
    made.parent.mkdir(parents=True, exist_ok=True)
    return str(made)


def classifier():
    made = models.AudioClassifier(
        num_outputs=3, frontend=frontend.Leaf(n_filters=8), encoder=models.ConvNet([4, 5])
    )
    made(CLIPS, training=False)
    return made


def gradients(model, random):
    """Of all sizes, so that epsilon counts in some."""
    made = []
    for weight in model.trainable_variables:
        shape = tuple(weight.shape)
        size = 10.0 ** random.uniform(-9.0, 0.0, shape)
        made.append((random.choice([-1.0, 1.0], shape) * size).astype(np.float32))
    return made


def applied(model, optimizer, given):
    optimizer.apply_gradients(
        [
            (tf.constant(g), weight)
            for g, weight in zip(given, model.trainable_variables, strict=True)
        ]
    )


def optimisers():
    new, old = keras.optimizers, keras.optimizers.legacy
    rate = {"learning_rate": 0.01}
    schedule = new.schedules.ExponentialDecay(0.01, 1, 0.5)
    yield "adam", new.Adam(**rate)
    yield "adam_betas", new.Adam(**rate, beta_1=0.8, beta_2=0.99)
    yield "adam_decay", new.Adam(**rate, weight_decay=0.1)
    yield "adamw", new.AdamW(**rate, weight_decay=0.1)
    yield "adam_own_name", new.Adam(**rate, name="mine")
    yield "adamw_own_name", new.AdamW(**rate, weight_decay=0.1, name="mine")
    yield "adam_schedule", new.Adam(schedule)
    yield "adam_clipping", new.Adam(**rate, clipnorm=1.0)
    yield "adam_ema", new.Adam(**rate, use_ema=True)
    yield "adam_amsgrad", new.Adam(**rate, amsgrad=True)
    yield "adam_scaled", keras.mixed_precision.LossScaleOptimizer(new.Adam(**rate))
    yield "sgd", new.SGD(**rate)
    yield "sgd_momentum", new.SGD(**rate, momentum=0.9)
    yield "rmsprop", new.RMSprop(**rate)
    yield "rmsprop_centered", new.RMSprop(**rate, momentum=0.9, centered=True)
    for name in ("Nadam", "Adamax", "Adadelta", "Adagrad", "Ftrl", "Lion", "Adafactor"):
        yield name.lower(), getattr(new, name)(**rate)
    yield "legacy_adam", old.Adam(**rate)
    yield "legacy_adam_amsgrad", old.Adam(**rate, amsgrad=True)
    yield "legacy_sgd_momentum", old.SGD(**rate, momentum=0.9)
    for name in ("Nadam", "Adamax", "Adadelta", "Adagrad", "Ftrl", "RMSprop"):
        yield "legacy_" + name.lower(), getattr(old, name)(**rate)


def write_optimisers():
    for name, optimizer in optimisers():
        model, random = classifier(), np.random.RandomState(1)
        for _ in range(2):
            applied(model, optimizer, gradients(model, random))
        tf.train.Checkpoint(model=model, optimizer=optimizer).save(path_of(name, "ckpt"))
        given = gradients(model, random)
        applied(model, optimizer, given)
        made = {f"gradient.{i}": each for i, each in enumerate(given)}
        for i, weight in enumerate(model.trainable_variables):
            made[f"weight.{i}"] = weight.numpy()
        np.savez(path_of(name, "step.npz"), **made)


def write_weights(leaf, name):
    pcen = leaf._compress_fn
    made = {
        "_complex_conv/kernel": leaf._complex_conv._kernel,
        "_pooling/kernel": leaf._pooling.kernel,
        "_compress_fn/alpha": pcen.alpha,
        "_compress_fn/delta": pcen.delta,
        "_compress_fn/root": pcen.root,
        "_compress_fn/ema/smooth": pcen.ema._weights,
    }
    np.savez(path_of(name, "weights.npz"), **{path: each.numpy() for path, each in made.items()})


class Own(keras.Model):
    """Somebody's model with the official frontend in it."""

    def __init__(self):
        super().__init__()
        self.leaf = frontend.Leaf(n_filters=8)
        self.conv = keras.layers.Conv1D(4, 3)
        self.pool = keras.layers.GlobalMaxPooling1D()
        self.head = keras.layers.Dense(3)

    def call(self, inputs, training=False):
        return self.head(self.pool(self.conv(self.leaf(inputs, training=training))))


def write_model(model, name):
    tf.train.Checkpoint(model=model).save(path_of(name, "object", "ckpt"))
    model.save_weights(path_of(name, "saved", "weights"))
    model.save_weights(path_of(name, "w.weights.h5"))
    model.save_weights(path_of(name, "w.h5"))


def write_models():
    layers = keras.layers
    no_leaf = [layers.Conv1D(4, 3), layers.GlobalMaxPooling1D(), layers.Dense(3)]
    sequential = keras.Sequential(no_leaf)
    sequential(CLIPS[:, :, None])
    write_model(sequential, "no_leaf")
    for name, average in (("sequential_max", False), ("sequential_average", True)):
        pool = layers.GlobalAveragePooling2D if average else layers.GlobalMaxPooling2D
        leaf = frontend.Leaf(n_filters=8)
        expand = layers.Lambda(lambda x: tf.expand_dims(x, -1))
        model = keras.Sequential([leaf, expand, pool(), layers.Dense(3)])
        model(CLIPS)
        write_model(model, name)
        write_weights(leaf, name)
    own = Own()
    own(CLIPS)
    write_model(own, "own")
    write_weights(own.leaf, "own")


def write_names():
    model, optimizer = classifier(), keras.optimizers.Adam(0.01)
    applied(model, optimizer, gradients(model, np.random.RandomState(1)))
    write_weights(model._frontend, "names")
    step, epoch = tf.Variable(7), tf.Variable(2, dtype=tf.int64)
    other = keras.Sequential([keras.layers.Dense(2)])
    other(CLIPS)
    cases = {
        "net_opt": {"net": model, "opt": optimizer},
        "step_epoch": {"model": model, "optimizer": optimizer, "step": step, "epoch": epoch},
        "second_network": {"model": model, "discriminator": other},
        "nested": {"train": tf.train.Checkpoint(model=model, optimizer=optimizer)},
        "two_models": {"model": model, "average": classifier()},
        "frontend": {"frontend": model._frontend},
    }
    for name, objects in cases.items():
        tf.train.Checkpoint(**objects).save(path_of("names", name, "ckpt"))


write_optimisers()
write_models()
write_names()
