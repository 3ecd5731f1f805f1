"""What the product promises about speed and memory, measured: one module a claim, run by `python -m benchmarks`."""
