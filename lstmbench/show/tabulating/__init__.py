"""Tables: from records to cells, and from cells to Markdown, LaTeX and CSV."""
