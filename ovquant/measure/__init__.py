"""A plan to a trial: built, scored and timed."""
