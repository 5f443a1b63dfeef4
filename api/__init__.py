"""The FastAPI front. It loads neither TensorFlow nor any other runtime."""
