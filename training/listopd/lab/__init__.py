"""A laboratory of the cliff: a tiny list language, and many small trainings side by side, on a CPU or a GPU."""
