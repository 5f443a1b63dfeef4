"""The commands of `catalog`: the library at a terminal."""
