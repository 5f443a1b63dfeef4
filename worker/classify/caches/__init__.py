"""Caches of answers to whole items, and of VGG16's features of pictures.

A cache never fails or delays an item: if it cannot be used, a line in the log says so and the item is computed.
"""

from worker.classify.caches.features import FeatureCache, SeenPicture, backbone_key
from worker.classify.caches.predictions import CachedAnswer, PredictionCache, prediction_key

__all__ = ["CachedAnswer", "FeatureCache", "PredictionCache", "SeenPicture", "backbone_key", "prediction_key"]
