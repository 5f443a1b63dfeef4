"""From a leased chunk to one outcome per item: texts, pictures, the engine and its caches."""
