"""Studies: a grid of variants and seeds, trained and tested in processes of their own, and its statistics."""
