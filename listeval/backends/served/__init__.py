"""A vLLM server of the run's own (`--serve`): started for it, used through the openai engine, stopped with it."""
