"""Benchmarks of everflow beside TensorFlow, PyTorch and JAX: `python -m benchmarks --help`."""
