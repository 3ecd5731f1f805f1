"""Every crash and fault point of the worker: scenarios, an injector of faults, and the invariants that must hold.

`python -m tests.faults` (`make faults`) tries all of them; docs/reliability.md says what that proves.
"""
