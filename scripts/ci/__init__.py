"""Thin commands that the test command and the workflows call."""
