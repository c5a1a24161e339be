"""Ways to search, one file each: they see tables and say what to try next."""
