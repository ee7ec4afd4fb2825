"""vLLM on many cards or machines, by Ray Data LLM."""
