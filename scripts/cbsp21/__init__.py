"""Commands of the CBSP21 policy (docs/CBSP21.md)."""
