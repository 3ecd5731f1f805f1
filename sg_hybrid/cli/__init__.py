"""The `sg-hybrid` command. Light to import: what a command needs is loaded when it runs."""
