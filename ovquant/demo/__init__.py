"""The demonstration: a real trained recogniser, and words rendered for it with exact labels."""
