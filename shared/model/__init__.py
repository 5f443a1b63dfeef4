"""The model: encoding of text and pictures, the networks on a runtime, fusion, and the bundle that holds them."""

__all__ = [
    "backbone",
    "bundle",
    "cascade",
    "column",
    "column_fit",
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
