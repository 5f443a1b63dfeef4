"""The DVC stages."""

import os

# TensorFlow's start-up chatter would bury the stages' own lines.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
