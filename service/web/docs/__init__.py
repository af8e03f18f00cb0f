"""`/docs`: the documentation, from the Markdown in `content/` and from the code itself."""
