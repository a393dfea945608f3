"""Official TensorFlow checkpoints, read without TensorFlow and without pickle."""
