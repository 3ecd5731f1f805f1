"""The Smart Guitar's rule-based coach: facts of a take in, coaching decisions out. No network, no event loop, no AI."""
