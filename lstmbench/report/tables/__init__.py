"""Tables: from records to DataFrames of strings, and from these to Markdown, LaTeX and CSV."""
