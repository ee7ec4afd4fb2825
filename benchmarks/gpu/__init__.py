"""Ten minutes on a GPU: `python -m benchmarks.gpu` says what holds there, what fits and how fast it is."""
