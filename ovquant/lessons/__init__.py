"""Training of the numbers that weights are stored with; the one room that trains. It needs torch."""
