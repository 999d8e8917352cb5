"""The programs that are measured against one another: each does the same work, in a process."""
