"""What people read of a comparison: terminal, Markdown, LaTeX, one HTML page. Computes nothing."""
