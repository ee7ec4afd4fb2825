"""The command line: one file a verb. Nothing here imports an engine, numpy or pydantic before a verb runs."""
