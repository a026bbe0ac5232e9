"""The report of a run: one page, one Markdown file."""
