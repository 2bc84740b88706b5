"""Files of other frameworks, read as plain arrays; no code of theirs is run."""
