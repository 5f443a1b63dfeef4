"""The training pipeline: the DVC stages and the commands around them, and below them what they are made of."""

import os

import shared  # noqa: F401  # it sets the environment before MLflow is imported

# TensorFlow's start-up chatter would bury the stages' own lines.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
