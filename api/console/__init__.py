"""The console: pages for a catalogue team, ML engineers and operators, made of what the API's routes answer."""

__all__ = [
    "routes",
    "static_files",
]
