"""What makes the documentation from the code: `python -m docs.tools` writes every generated page anew."""
