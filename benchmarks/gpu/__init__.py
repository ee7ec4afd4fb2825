"""Ten minutes on a GPU: `python -m benchmarks.gpu` says what of the trainer holds there, what fits, and how fast it is."""
