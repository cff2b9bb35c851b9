"""The engine: BSRModel and the parts it is made of; ``bsr_model`` registers it with BasicSR."""
