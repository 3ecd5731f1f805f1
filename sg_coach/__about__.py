"""The version of the packages, in its one place (PEP 440; the tag of 0.2.0rc1 is v0.2.0-rc1)."""

__version__ = "0.1.0"
