"""The tools, one module a subject, each in one breath: read, compute, answer."""
