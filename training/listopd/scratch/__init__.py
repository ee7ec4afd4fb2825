"""A model from nothing: a tokenizer learnt on the task's own text and a small architecture with random weights."""
