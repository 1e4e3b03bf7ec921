#!/usr/bin/env python3
"""Power cuts of a whole machine: paidand in a virtual one with Debian's kernel and ext4, clients outside.

Under load the machine is killed. Every write and flush of its disk was logged (QEMU's blklogwrites, the
format of dm-log-writes): the disk that the next boot finds is all that was flushed, and of what came after
the last flush any part. ext4 replays its journal, paidand starts, and at the end what it holds is compared
with what it had acknowledged.

usage: vm.py BUILD CYCLES [control]; `control`: flushes count for nothing, and loss must be seen. Needs qemu-system-x86, busybox-static, socat, e2fsprogs, cpio. Software emulation
where KVM does not work, so some ten seconds a cycle. Exit code 1 when judge.py says that it does not hold."""
import os, random, shutil, signal, socket, struct, subprocess, sys, tempfile, time

import msgpack

import judge
from powercut import Line, Paidan, WINDOW

DISK_MIB = 192
MODULES = ["drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_pci_modern_dev",
           "drivers/virtio/virtio_pci_legacy_dev", "drivers/virtio/virtio_pci", "drivers/block/virtio_blk",
           "drivers/char/virtio_console", "crypto/crc32c_generic", "lib/crc16", "fs/mbcache", "fs/jbd2/jbd2", "fs/ext4/ext4"]
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /data /run /tmp
/bin/busybox mount -t proc none /proc
/bin/busybox mount -t sysfs none /sys
/bin/busybox mount -t devtmpfs none /dev
for m in %s; do /bin/busybox insmod /modules/$m.ko || echo "VM: no $m"; done
/bin/busybox mount -t ext4 /dev/vda /data || echo "VM: no disk"
/bin/paidand --data /data/paidan --listen unix:/run/sock --regions /conf/regions.csv --codes /conf --master-key /key \\
    --disk-reserve-mib 0 --log-level error || echo "VM: paidand ended with $?" &
while [ ! -S /run/sock ]; do /bin/busybox sleep 0.1; done
/bin/socat /dev/vport*p1 UNIX-CONNECT:/run/sock
""" % " ".join(os.path.basename(m) for m in MODULES)


def run(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, **more).stdout


def kernel_in(place):
    """Debian's kernel, unpacked and not installed."""
    names = run("apt-cache", "depends", "linux-image-amd64").split()
    name = next(n for n in names if n.startswith("linux-image-6"))
    if not os.path.exists(os.path.join(place, "boot")):
        run("apt-get", "download", name, cwd=place)
        run("dpkg-deb", "-x", next(f for f in os.listdir(place) if f.endswith(".deb")), ".", cwd=place)
    version = os.listdir(os.path.join(place, "lib/modules"))[0]
    return os.path.join(place, "boot/vmlinuz-" + version), os.path.join(place, "lib/modules", version, "kernel")


def make_initrd(build, place, modules, path):
    root = tempfile.mkdtemp(dir=place)
    for folder in ("bin", "modules"):
        os.mkdir(os.path.join(root, folder))
    programs = {"busybox": shutil.which("busybox"), "socat": shutil.which("socat"), "paidand": os.path.join(build, "paidand")}
    for name, source in programs.items():
        shutil.copy(source, os.path.join(root, "bin", name))
        for line in subprocess.run(["ldd", source], capture_output=True, text=True).stdout.splitlines():
            library = next((w for w in line.split() if w.startswith("/")), None)
            if library is not None:
                os.makedirs(root + os.path.dirname(library), exist_ok=True)
                shutil.copy(library, root + library)
    for module in MODULES:
        shutil.copy(os.path.join(modules, module + ".ko"), os.path.join(root, "modules"))
    shutil.copytree("conf/huizhou", os.path.join(root, "conf"))
    os.makedirs(os.path.join(root, "usr/share/zoneinfo/Asia"))
    shutil.copy("/usr/share/zoneinfo/Asia/Shanghai", os.path.join(root, "usr/share/zoneinfo/Asia"))
    for name, text in (("init", INIT), ("key", "ab" * 32)):
        with open(os.path.join(root, name), "w") as file:
            file.write(text)
    os.chmod(os.path.join(root, "init"), 0o755)
    with open(path, "wb") as out:
        subprocess.run("find . | cpio -o -H newc --quiet | gzip -1", shell=True, check=True, cwd=root, stdout=out)
    shutil.rmtree(root)


class Machine:
    def __init__(self, kernel, initrd, place):
        self.kernel, self.initrd, self.place = kernel, initrd, place
        self.disk, self.log, self.socket = (os.path.join(place, name) for name in ("disk", "log", "port"))
        with open(self.disk, "wb") as file:
            file.truncate(DISK_MIB << 20)
        run("mkfs.ext4", "-q", "-F", self.disk)

    def boot(self):
        with open(self.log, "wb") as file:
            file.truncate(2 << 30) # sparse
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.console = open(os.path.join(self.place, "console"), "ab")
        drive = ("driver=blklogwrites,node-name=disk,log-sector-size=512,log-super-update-interval=1,"
                 "file.driver=raw,file.file.driver=file,file.file.filename=%s,log.driver=file,log.filename=%s" % (self.disk, self.log))
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-m", "512", "-display", "none", "-serial", "stdio", "-no-reboot", "-nodefaults",
             "-kernel", self.kernel, "-initrd", self.initrd, "-append", "console=ttyS0 edd=off panic=-1 quiet",
             "-blockdev", drive, "-device", "virtio-blk-pci,drive=disk", "-device", "virtio-serial-pci",
             "-chardev", "socket,id=port,path=%s,server=on,wait=off" % self.socket, "-device", "virtserialport,chardev=port,name=port"],
            stdin=subprocess.DEVNULL, stdout=self.console, stderr=self.console)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.console.close()

    def entries(self):
        """Of the log: (sector, data, is_flush), in their sequence."""
        with open(self.log, "rb") as file:
            at = 512
            while True:
                file.seek(at)
                sector, sectors, flags, _ = struct.unpack("<4Q", file.read(32))
                if sectors == 0 and flags == 0:
                    return
                has_data = sectors != 0 and not flags & 4
                file.seek(at + 512)
                yield sector, file.read(sectors * 512) if has_data else b"", bool(flags & 1)
                at += 512 + (sectors * 512 if has_data else 0)

    def lose(self, before, flushes_count):
        """Makes the disk from what it was before the boot, all that was flushed, and a part of the rest."""
        entries = list(self.entries())
        flushed = max((i for i, entry in enumerate(entries) if entry[2] and flushes_count), default=0)
        pattern = random.choice(("none", "half", "prefix", "all")) if flushes_count else "none"
        cut_at = random.randrange(flushed, len(entries) + 1) if entries else 0
        kept = 0
        shutil.copy(before, self.disk)
        with open(self.disk, "r+b") as disk:
            for i, (sector, data, _) in enumerate(entries):
                keep = i <= flushed or {"none": False, "half": random.random() < 0.5, "prefix": i < cut_at, "all": True}[pattern]
                kept += keep
                if keep and data:
                    disk.seek(sector * 512)
                    disk.write(data)
        return len(entries), len(entries) - kept


class Guest(Paidan):
    """paidand behind the port of a machine."""

    def __init__(self, machine):
        self.machine = machine

    def open(self):
        for _ in range(100):
            try:
                self.line = Line(self.machine.socket)
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise RuntimeError("the machine has no port")
        self.line.socket.settimeout(120)
        self.unpacker = msgpack.Unpacker()


def load(guest, number, acknowledged, seconds):
    under_way = 0
    end = None
    while end is None or time.monotonic() < end:
        while under_way < WINDOW:
            number += 1
            guest.put(number)
            under_way += 1
        acknowledged.add(guest.answer())
        end = end or time.monotonic() + seconds # it has booted
        under_way -= 1
    guest.machine.kill()
    try:
        while True:
            acknowledged.add(guest.answer())
    except (OSError, RuntimeError):
        return number


def main():
    build, cycles, is_control = sys.argv[1], int(sys.argv[2]), sys.argv[3:] == ["control"]
    random.seed(1)
    place = os.path.abspath(os.path.join(build, "vm-control" if is_control else "vm"))
    os.makedirs(place, exist_ok=True)
    kernel, modules = kernel_in(place)
    initrd, before = os.path.join(place, "initrd"), os.path.join(place, "before")
    make_initrd(build, place, modules, initrd)
    machine = Machine(kernel, initrd, place)
    guest = Guest(machine)
    acknowledged, held, number, writes, dropped, failed = set(), [], 0, 0, 0, 0
    try:
        for _ in range(cycles):
            shutil.copy(machine.disk, before)
            machine.boot()
            guest.open()
            number = load(guest, number, acknowledged, random.uniform(0.3, 2))
            all_of_them, lost_of_them = machine.lose(before, not is_control)
            writes += all_of_them
            dropped += lost_of_them
        machine.boot()
        guest.open()
        held = guest.holds()
    except (OSError, RuntimeError): # it did not come up, or is gone before its time
        failed = 1
    machine.kill()
    os.unlink(machine.log)
    line = judge.power_line("vm-control" if is_control else "vm", cycles, acknowledged, held, number, failed,
                            " disk_writes=%d dropped=%d" % (writes, dropped))
    why = judge.reasons(line)
    print(line + ("  DID NOT HOLD: " + "; ".join(why) if why else ""))
    sys.exit(1 if why else 0)


if __name__ == "__main__":
    main()
