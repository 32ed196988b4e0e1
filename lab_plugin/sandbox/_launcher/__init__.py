"""The launcher: a small single-threaded program beside the lab that starts and ends every job.

It imports the standard library only and nothing of the lab, so that it starts in milliseconds and a
fork of it costs about one. `spawner` listens and reaps; each job has a `supervisor`, a fork of it,
which runs the job on a `stage` (`bubblewrap`, `warm` or `plain`) and reports over the job's own socket.
`zygote` is what runs inside as a warm interpreter, of which a job on a `warm` stage is a fork.
One supervisor stands by, with the process that is to become the program (`launch`).
"""
