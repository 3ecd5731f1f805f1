"""The soak: the real worker and the real simulator for a while, with everything going wrong that may.

`python -m tests.soak` runs it and says what it found; `make soak` is the long one. Reading order: plan (what is
played), troubles (what goes wrong), conductor (doing both), then tree, accounts and flatness (what must hold), report.
"""
