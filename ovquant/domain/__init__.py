"""Plain data with JSON round trips."""
