"""Chords in, a backing clip and its bundle out; the HTTP API. It and the worker meet only on disk."""
