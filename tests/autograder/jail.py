"""What a process gives up before it runs other people's code. Runs inside the process that is to be locked in.

On Linux, `enter` moves the process into namespaces of its own: no network, no other processes, and a file system that
holds the system's libraries and Python, read-only, and one writable folder, /submission. Where namespaces are not allowed (some
containers) or unknown (macOS), the limits of `set_limits` remain, and `enter` says what is missing.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

# From Linux's headers
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = (
    0x20000,
    0x8000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_NOATIME = 1, 2, 4, 8, 32, 1024
MS_BIND, MS_REC, MS_PRIVATE, MS_RELATIME, MNT_DETACH = 4096, 16384, 1 << 18, 1 << 21, 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 36, 38
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
SYSTEM = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/passwd",
          "/etc/group", "/etc/nsswitch.conf", "/etc/mime.types", "/etc/os-release", "/nix/store"]  # fmt: skip
DEVICES = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"]

libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int, what: str) -> None:
    """Raises OSError when a function of the C library has failed."""
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    words = [source.encode(), target.encode(), kind.encode() if kind else None, ctypes.c_ulong(flags), data.encode()]
    checked(libc.mount(*words), f"mount {target}")


def die_with_parent() -> None:
    """The kernel kills this process when the one that made it ends."""
    if sys.platform == "linux":
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Descendants whose parents end become children of this process, so that none can hide from it."""
    if sys.platform == "linux":
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1)


def set_limits(seconds: int, memory: int, file_size: int, processes: int) -> None:
    """Limits of the kernel for this process and those that it starts. They cannot be raised again."""
    limits = {
        "RLIMIT_CPU": seconds,
        "RLIMIT_DATA": memory,
        "RLIMIT_FSIZE": file_size,
        "RLIMIT_NOFILE": 256,
        "RLIMIT_NPROC": processes,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 0,
    }
    for name, limit in limits.items():
        if hasattr(resource, name):
            most = resource.getrlimit(getattr(resource, name))[1]
            limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
            resource.setrlimit(getattr(resource, name), (limit, limit))


# ---------------------------------------------------------------------------------------------------------------------
# Namespaces


def unshare() -> bool:
    """Moves this process (its children, as for process numbers) into new namespaces. False where that is not allowed."""
    if sys.platform != "linux" or os.uname().machine not in PIVOT_ROOT:
        return False
    uid, gid = os.geteuid(), os.getegid()
    flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET
    if libc.unshare(flags if uid == 0 else flags | CLONE_NEWUSER) < 0:
        return False
    if uid != 0:
        try:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
            Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
        except OSError:
            return False
    return True


def bind(source: str, root: str, writable: bool = False, at: str | None = None) -> None:
    """Makes a file or folder of the machine visible below `root`, read-only unless `writable`. Links stay links."""
    target = root + (at or source)
    if not os.path.lexists(source) or os.path.lexists(target):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(source) and not at:
        os.symlink(os.readlink(source), target)
        return
    if os.path.isdir(source):
        os.mkdir(target)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
    mount(source, target, None, MS_BIND | MS_REC)
    if writable:
        return
    locked = os.statvfs(target).f_flag  # in a user namespace these must stay as they are
    same = {os.ST_NOSUID: MS_NOSUID, os.ST_NODEV: MS_NODEV, os.ST_NOEXEC: MS_NOEXEC, os.ST_NOATIME: MS_NOATIME,
            os.ST_RELATIME: MS_RELATIME}  # fmt: skip
    flags = MS_NOSUID | sum(new for old, new in same.items() if locked & old and new != MS_NOSUID)
    mount("none", target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | flags)


def change_root(work: str, visible: Sequence[str]) -> None:
    """A new file system: the folder `work` as /submission, `visible` and the system's libraries read-only, little else. It is
    mounted at the folder `root` beside `work`."""
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    root = os.path.join(os.path.dirname(work), "root")
    os.mkdir(root)
    mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=512m,mode=755")
    bind(work, root, writable=True, at="/submission")
    for path in [*SYSTEM, *sorted(visible, key=len)]:  # a folder before what is in it
        if not any(path != other and path.startswith(other + "/") for other in [*SYSTEM, *visible]):
            bind(path, root)
    for path in DEVICES:
        bind(path, root, writable=True)
    for path in ("/tmp", "/dev/shm"):
        os.makedirs(root + path, exist_ok=True)
        os.chmod(root + path, 0o1777)
    os.symlink("/proc/self/fd", root + "/dev/fd")
    os.mkdir(root + "/proc")
    try:
        mount("proc", root + "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError:  # inside some containers
        pass
    os.mkdir(root + "/old")
    call = ctypes.c_long(PIVOT_ROOT[os.uname().machine])
    checked(libc.syscall(call, root.encode(), (root + "/old").encode()), "pivot_root")
    os.chdir("/")
    checked(libc.umount2(b"/old", MNT_DETACH), "umount")
    os.rmdir("/old")


def drop_privileges(uid: int) -> None:
    """No capabilities, user `uid` instead of root, and no program that would give any of it back."""
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    if os.geteuid() != uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc.capset(header, none)
    libc.prctl(PR_SET_DUMPABLE, 1)
    die_with_parent()


def reachable_by_all(path: str) -> bool:
    """Whether every user may enter this folder."""
    folders = [Path(path), *Path(path).parents]
    return all(folder.stat().st_mode & 0o001 for folder in folders)


def enter(work: str, visible: Sequence[str], uid: int) -> tuple[str, list[str]]:
    """Locks this process in, as user `uid` if it is root. Returns the folder to work in and what of the protection is
    missing here, in words.

    With namespaces it forks: the new process returns, and the old one waits for it and ends as it does.
    """
    separate = unshare()
    die_with_parent()
    if not separate:
        missing = ["no Linux namespaces here: network and files of this machine are within reach"]
        if sys.platform == "linux":
            own = uid if all(map(reachable_by_all, [work, *visible])) else os.geteuid()
            drop_privileges(own)
            missing += ["runs as root"] if own == 0 else []
        return work, missing
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        os._exit(code if code >= 0 else 128 - code)
    die_with_parent()
    change_root(work, visible)
    drop_privileges(uid)
    return "/submission", []
