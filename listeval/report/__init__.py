"""What people read of runs: terminal tables, Markdown, explained failures. Computes nothing."""
