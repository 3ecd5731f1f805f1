"""The worker beside the generator: deterministic coaching at once, an AI tip beside it when it is in time."""
