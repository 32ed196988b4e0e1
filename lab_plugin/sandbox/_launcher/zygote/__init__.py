"""An interpreter that has modules loaded and gives each trial a fork of itself, in namespaces of its own.

It runs inside bubblewrap, as the candidate's user, with no file of a candidate in sight, and never executes
anything but the modules that the lab names. It runs under the candidate's Python (3.9 or later), and uses
of the launcher only `linux`, `request` and `seccomp`.

For each trial it forks a warden, which enters the trial's control group and new namespaces, attaches
the mounts that the supervisor made, and forks the namespaces' init; the init forks the program. No memory, no
descriptor and no process is shared between a program and the interpreter that it was forked from.
"""
