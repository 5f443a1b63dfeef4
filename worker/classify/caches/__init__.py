"""Nothing is computed twice: answers to whole items, and VGG16's features of pictures.

A cache never fails an item and never holds one up: whatever is wrong with it is a line in the log, and the item is
computed.
"""

from worker.classify.caches.features import FeatureCache, backbone_key
from worker.classify.caches.predictions import CachedAnswer, PredictionCache, prediction_key

__all__ = ["CachedAnswer", "FeatureCache", "PredictionCache", "backbone_key", "prediction_key"]
