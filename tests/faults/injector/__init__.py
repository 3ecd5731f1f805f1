"""Lets one thing go wrong at one system call of a forked child: seccomp user notification, no package, no ptrace."""
