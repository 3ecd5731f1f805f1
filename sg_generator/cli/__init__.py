"""The command `sg-generator`."""
