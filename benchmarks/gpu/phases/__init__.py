"""What is measured: one module a phase, each with `run(job)`, each run in a process of its own."""
