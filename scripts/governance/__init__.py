"""The rules that changes to this repository follow."""
