"""The first process of a container: it starts the program, ends it, and hands out what it left.

It runs on the image's Python (3.9 or later), without that Python's site-packages and without the lab's own
package, so its modules import nothing else, and little of that: each import costs every job.

It shares its user with the program, and is out of its reach all the same: the kernel drops signals to a
namespace's first process, its memory and descriptors cannot be opened since it is not dumpable, and the
filters of system calls forbid to trace it and to set its limits.
"""
