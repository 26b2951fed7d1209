"""Living beside TensorFlow: the `tensorflow` import alias, the generations, the names that are missing."""
