"""A study's report: tables and figures from its arms' files, as HTML, Markdown and LaTeX."""
