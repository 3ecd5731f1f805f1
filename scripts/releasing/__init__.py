"""Releases: version, changelog, commit and tag (RELEASING.md), and the notice that a contract drifted."""
