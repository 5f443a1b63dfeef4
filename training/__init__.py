"""The DVC stages."""

import os

import shared  # noqa: F401  # its settings of the environment come before MLflow's import

# TensorFlow's start-up chatter would bury the stages' own lines.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
