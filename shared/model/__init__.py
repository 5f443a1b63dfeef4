"""The model: encoding of text and pictures, the networks on a runtime, fusion, and the bundle that holds them."""

__all__ = [
    "backbone",
    "bundle",
    "cascade",
    "explanation",
    "fusion",
    "golden",
    "images",
    "known",
    "levels",
    "networks",
    "projection",
    "review",
    "runtimes",
    "text",
    "weights",
]
