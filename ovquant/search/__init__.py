"""Which plan to try next, and which one to return."""
