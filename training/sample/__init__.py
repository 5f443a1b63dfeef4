"""The generated sample catalogue: texts and pictures that anybody may have."""
