#!/usr/bin/python3
"""The package under a real systemd: a Debian 12 of its own, booted in a virtual machine without a network,
installs it, uses it, kills it, stops it and removes it.

usage: boot.py PACKAGE.deb PLACE; PLACE keeps what was fetched. Needs debootstrap, qemu-system-x86,
busybox-static, e2fsprogs, cpio, and root. Software emulation where KVM does not work: minutes. Prints a
line a step, and exit code 1 when one did not hold."""
import os, re, shutil, subprocess, sys, tempfile

from vm import MODULES, kernel_in, run

PACKAGE, PLACE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
CHECK = r"""#!/bin/sh
# Each step says what it saw; the host decides whether that is right.
exec >/dev/ttyS0 2>&1
p() { setpriv --reuid=0 paidan --server unix:/run/paidan/paidan.sock "$@"; }
up() { for i in $(seq 100); do p call server.info '{}' >/dev/null 2>&1 && return 0; sleep 0.5; done; return 1; }
say() { echo "STEP $*"; }
dpkg -i /root/paidan.deb
up; say installed $? $(systemctl is-active paidand) $(systemctl is-enabled paidand)
p order place --region 441302001001 --category legal_aid >/dev/null; say placed $?
say user $(stat -c %u /proc/$(systemctl show -p MainPID --value paidand)) state $(stat -c %a /var/lib/private/paidan) key $(stat -c %a /etc/paidan/master_key)
pid=$(systemctl show -p MainPID --value paidand); kill -9 $pid
for i in $(seq 100); do [ "$(systemctl show -p MainPID --value paidand)" = $pid ] || break; sleep 0.2; done
up; say restarted $? $(systemctl show -p NRestarts --value paidand) orders $(p --json call stats.summary '{}' | grep -oE '"orders": [0-9]+' | head -1 | grep -oE '[0-9]+$')
systemctl reload paidand; say reloaded $? $(systemctl is-active paidand)
journalctl -u paidand -p 4..4 -o cat --no-pager | head -3 | sed 's/^/JOURNAL /'
say journal $(journalctl -u paidand -o cat --no-pager | grep -c event=started)
systemctl stop paidand; say stopped $? $(systemctl show -p Result --value paidand)
systemd-analyze security paidand.service --no-pager | tail -1 | sed 's/^/SECURITY /'
systemctl start paidand; up; say again $? orders $(p --json call stats.summary '{}' | grep -oE '"orders": [0-9]+' | head -1 | grep -oE '[0-9]+$')
dpkg -r paidan; say removed $? $(systemctl is-active paidand) data $(ls -d /var/lib/private/paidan) key $(ls /etc/paidan/master_key)
dpkg -P paidan; say purged $? left $(ls /usr/bin/paidan* /lib/systemd/system/paidand.service 2>/dev/null | wc -l)
echo CHECKS-DONE
systemctl poweroff --force --force
"""
UNIT = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/root/check.sh
[Install]
WantedBy=graphical.target multi-user.target
"""
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /new
/bin/busybox mount -t proc none /proc
/bin/busybox mount -t sysfs none /sys
/bin/busybox mount -t devtmpfs none /dev
for m in %s; do /bin/busybox insmod /modules/$m.ko; done
/bin/busybox mount -t ext4 /dev/vda /new
/bin/busybox mount --move /dev /new/dev
exec /bin/busybox switch_root /new /sbin/init
""" % " ".join(os.path.basename(m) for m in MODULES)
WANTED = [r"STEP installed 0 active enabled", r"STEP placed 0", r"STEP user 6[1-5]\d{3} state 700 key 400", r"STEP restarted 0 1 orders 1",
          r"STEP reloaded 0 active", r"STEP journal 2", r"STEP stopped 0 success", r"STEP again 0 orders 1",
          r"STEP removed 0 inactive data /var/lib/private/paidan key /etc/paidan/master_key", r"STEP purged 0 left 0", r"CHECKS-DONE"]


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as out:
        out.write(text)
    os.chmod(path, mode)


def make_root(root):
    """A minimal Debian with systemd and what the package depends on."""
    depends = [re.split(r"[ (|]", d.strip())[0] for d in run("dpkg-deb", "-f", PACKAGE, "Depends").split(",")]
    mirror = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").split()[0]
    if not os.path.exists(os.path.join(root, "sbin/init")):
        run("debootstrap", "--variant=minbase", "--include=" + ",".join(["systemd-sysv", "dbus", "tzdata"] + depends), "bookworm", root, mirror)
    shutil.copy(PACKAGE, os.path.join(root, "root/paidan.deb"))
    write(os.path.join(root, "root/check.sh"), CHECK, 0o755)
    write(os.path.join(root, "etc/systemd/system/check.service"), UNIT)
    link = os.path.join(root, "etc/systemd/system/multi-user.target.wants/check.service")
    os.makedirs(os.path.dirname(link), exist_ok=True)
    if not os.path.lexists(link):
        os.symlink("/etc/systemd/system/check.service", link)


def make_initrd(modules, path):
    root = tempfile.mkdtemp(dir=PLACE)
    os.makedirs(root + "/bin")
    os.makedirs(root + "/modules")
    shutil.copy(shutil.which("busybox"), root + "/bin/busybox")
    for module in MODULES:
        shutil.copy(os.path.join(modules, module + ".ko"), root + "/modules")
    write(root + "/init", INIT, 0o755)
    with open(path, "wb") as out:
        subprocess.run("find . | cpio -o -H newc --quiet | gzip -1", shell=True, check=True, cwd=root, stdout=out)
    shutil.rmtree(root)


def main():
    os.makedirs(PLACE, exist_ok=True)
    kernel, modules = kernel_in(PLACE)
    root, image, initrd = (os.path.join(PLACE, name) for name in ("root", "disk.img", "initrd.gz"))
    make_root(root)
    make_initrd(modules, initrd)
    if os.path.exists(image):
        os.unlink(image)
    run("mke2fs", "-q", "-t", "ext4", "-d", root, image, "1200M")
    said = ""
    with subprocess.Popen(["qemu-system-x86_64", "-m", "1024", "-smp", "2", "-nographic", "-no-reboot", "-kernel", kernel, "-initrd", initrd,
                           "-drive", "file=%s,format=raw,if=virtio" % image, "-nic", "none", "-append", "console=ttyS0 quiet"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as machine:
        for line in machine.stdout:
            text = line.decode(errors="replace").strip()
            said += text + "\n"
            if text.startswith(("STEP", "SECURITY", "JOURNAL", "CHECKS-DONE")):
                print(text, flush=True)
    missing = [w for w in WANTED if not re.search(w, said)]
    if missing:
        print("boot DID NOT HOLD: never said: %s\n%s" % ("; ".join(missing), said[-3000:]))
        return 1
    print("boot held: steps=%d" % (len(WANTED) - 1))
    return 0


sys.exit(main())
