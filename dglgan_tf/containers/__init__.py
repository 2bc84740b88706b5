"""File containers of other frameworks, read as plain arrays; no code is run."""
