"""Run and measure a command: `python -S -E bench/stopwatch.py FIGURES COMMAND …`.

The peak memory of a process starts with the memory of its parent process. Therefore this script
imports only a few modules.
"""

import os
import resource
import sys
import time


def main() -> None:
    """Write seconds, processor seconds and peak bytes to FIGURES, and exit like the command."""
    figures, *command = sys.argv[1:]
    began = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status = os.waitpid(child, 0)
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Kilobytes on Linux, bytes on macOS.
    memory = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    with open(figures, "w") as file:
        file.write(f"{seconds} {used.ru_utime + used.ru_stime} {memory}\n")
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
