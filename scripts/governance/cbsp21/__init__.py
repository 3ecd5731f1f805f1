"""CBSP21: no change from partial reading (docs/CBSP21.md). The commands in scripts/cbsp21/ and scripts/ci/ are thin."""
