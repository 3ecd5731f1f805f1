"""Commands of the repository; their logic is importable and tested."""
