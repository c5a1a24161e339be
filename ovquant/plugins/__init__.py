"""Plugins: the registry, the grammar of their names, and those built in."""
