"""The programs of the breach attempts: each prints `held`, or `broken` and how."""

HELD = "held"

# Look for a process of the host, and signal one. Environment: LAB_MARK, LAB_VICTIM.
PROCESSES = """
import os
seen = []
for name in os.listdir('/proc'):
    if name.isdigit() and int(name) != os.getpid():
        try:
            with open(f'/proc/{name}/environ', 'rb') as file: data = file.read()
            with open(f'/proc/{name}/cmdline', 'rb') as file: data += file.read()
        except OSError:
            continue
        if os.environ['LAB_MARK'][::-1].encode() in data: seen.append(name)
try:
    os.kill(int(os.environ['LAB_VICTIM']), 0)
    with open(f"/proc/{os.environ['LAB_VICTIM']}/comm") as file: comm = file.read()
    seen.append('signalled ' + comm) if 'sleep' in comm else None
except OSError:
    pass
print('broken: host processes seen: ' + ' '.join(seen) if seen else 'held')
"""

# Connect to sockets of the host, and look for a route. Environment: LAB_PORT, LAB_NAME.
NETWORK = """
import os, socket
reached = []
for family, address in (
    (socket.AF_INET, ('127.0.0.1', int(os.environ['LAB_PORT']))),
    (socket.AF_UNIX, '\\0' + os.environ['LAB_NAME']),
    (socket.AF_INET, ('192.0.2.1', 9)),
):
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(1)
        try:
            one.connect(address)
            reached.append(repr(address))
        except TimeoutError:
            reached.append(repr(address) + ' has a route')
        except OSError:
            pass
print('broken: ' + ' '.join(reached) if reached else 'held')
"""

# Take 160 MiB with four children, each of which keeps its part until all have theirs, or are ended.
CHILDREN = """
import os
hold, go = os.pipe()
children, told = [], []
for _ in range(4):
    filled, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(go)
        block = bytearray(os.urandom(1)) * (40 << 20)
        os.write(tell, b'x')
        os.read(hold, 1)
        os._exit(0)
    os.close(tell)
    children.append(pid)
    told.append(filled)
for filled in told: os.read(filled, 1)
os.close(go)
left = sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 for pid in children)
print('broken: 160 MiB under a limit of 96' if left == 4 else 'held')
"""

# Take 400 MiB with one child, and end well.
CHILD = """
import os
pid = os.fork()
if pid == 0:
    block = bytearray(os.urandom(1)) * (400 << 20)
    os._exit(0)
os.waitpid(pid, 0)
"""

# Write as much as goes, wherever it goes.
FILL = """
import os
written = 0
for folder in (os.environ['LAB_OUTPUTS'], '/tmp', '/dev/shm', os.path.expanduser('~')):
    try:
        with open(os.path.join(folder, 'fill'), 'wb', buffering=0) as file:
            for _ in range(96):
                written += file.write(bytes(1 << 20))
    except OSError:
        pass
    try:
        os.unlink(os.path.join(folder, 'fill'))
    except OSError:
        continue
print(f'broken: {written >> 20} MiB written under a limit of 16' if written > (80 << 20) else 'held')
"""

# Change the root, the system and the workspace.
WRITE = """
import os
done = []
own = ('lab-breach', 'own.txt')
for path in ('/usr/lab-breach', '/etc/lab-breach', '/lab-breach', '/proc/sys/kernel/hostname', *own):
    there = os.path.exists(path)
    try:
        with open(path, 'r+b' if there else 'wb') as file:
            # What is broken into stays as it was; the workspace is made for this.
            kept = file.read() if there and path not in own else b'breach'
            file.seek(0)
            file.write(kept)
        done.append(path)
        if not there and path not in own: os.unlink(path)
    except OSError:
        pass
print('broken: ' + ' '.join(done) if done else 'held')
"""

# Call what a seccomp filter refuses.
CALLS = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
done = []
calls = {
    'unshare': (0x10000000,),
    'ptrace': (0, 0, 0, 0),
    'mount': (b'none', b'/tmp', b'tmpfs', 0, None),
}
for name, arguments in calls.items():
    if getattr(libc, name)(*arguments) == 0: done.append(name)
print('broken: ' + ' '.join(done) if done else 'held')
"""
