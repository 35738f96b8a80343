#!/usr/bin/env python3
"""Runs on several hosts: network namespaces of this machine, joined by a cable that a test can cut.

A namespace has addresses and a host name of its own. mpirun reaches it through a script in place of ssh, and ranks talk
over TCP. Needs root, or the right to make namespaces.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest

from programs import DONE, TIMEOUT_S, Run
from test_ranks import DISTRIBUTED, RanksTest, mpi_environment

NETWORK = "10.213.7"


def cannot_make_namespaces():
    """Why not; empty if they can be made."""
    for program in ("mpirun", "ip", "unshare"):
        if not shutil.which(program):
            return f"{program} is not installed (Debian packages openmpi-bin, iproute2, util-linux)"
    name = f"rela-try-{os.getpid()}"
    for command in (["ip", "netns", "add", name],
                    ["ip", "-n", name, "link", "add", "try0", "type", "veth", "peer", "name", "try1"],
                    ["ip", "netns", "exec", name, "unshare", "--uts", "hostname", "a"]):
        result = subprocess.run(command, text=True, stderr=subprocess.PIPE, check=False)
        if result.returncode != 0:
            subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.DEVNULL, check=False)
            return f"no right to make network namespaces: {' '.join(command)}: {result.stderr.strip()}"
    subprocess.run(["ip", "netns", "delete", name], check=True)
    return ""


WHY_NOT = cannot_make_namespaces()


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Hosts(RanksTest):
    def setUp(self):
        super().setUp()
        self.hosts = [f"rela-{os.getpid()}-{name}" for name in ("a", "b")]
        for host in self.hosts:
            self.ip("netns", "add", host)
            self.addCleanup(subprocess.run, ["ip", "netns", "delete", host], check=False)
        self.ip("link", "add", "cable", "netns", self.hosts[0], "type", "veth", "peer", "name", "cable", "netns",
                self.hosts[1])
        for i, host in enumerate(self.hosts):
            self.ip("-n", host, "address", "add", f"{NETWORK}.{i + 1}/24", "dev", "cable")
            for device in ("lo", "cable"):
                self.ip("-n", host, "link", "set", device, "up")
        # In place of ssh: <agent> <address> <command>...
        self.agent = self.top / "agent"
        self.write_script(self.agent, f'host={self.hosts[1]}\n[[ $1 != {NETWORK}.1 ]] || host={self.hosts[0]}\n'
                          f'shift\nexec ip netns exec $host unshare --uts bash -c "hostname $host; $*"\n')
        # Notes how a rank ends.
        self.note = self.top / "note"
        self.write_script(self.note, f'code=0\n"$@" || code=$?\necho $code >{self.top}/code-$OMPI_COMM_WORLD_RANK\n'
                          'exit $code\n')
        (self.top / "hosts").write_text(f"{NETWORK}.1 slots=1\n{NETWORK}.2 slots=1\n", encoding="utf-8")

    @staticmethod
    def write_script(path: pathlib.Path, text):
        path.write_text("#!/usr/bin/env bash\n" + text, encoding="utf-8")
        path.chmod(0o755)

    @staticmethod
    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    def start(self, *args, changes=None):
        self.write_config({"batch_size": 8, "distributed.timeout_s": 3, "checkpoint.every_steps": 1, **(changes or {})})
        interface = f"{NETWORK}.0/24"
        command = ["ip", "netns", "exec", self.hosts[0], "unshare", "--uts", "bash", "-c",
                   f'hostname {self.hosts[0]}; exec "$@"', "-", "mpirun", "--hostfile", self.top / "hosts", "-np", "2",
                   "--bind-to", "none", "--mca", "plm_rsh_agent", self.agent, "--mca", "btl", "tcp,self", "--mca",
                   "btl_tcp_if_include", interface, "--mca", "oob_tcp_if_include", interface, self.note,
                   *self.words("run", *args)]
        process = subprocess.Popen(list(map(str, command)), env=mpi_environment(), text=True, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)

        self.addCleanup(process.stderr.close)
        self.addCleanup(self.end, process)
        return process, Run(self.top / "run")

    def end(self, process):
        """Ends what is left on both hosts."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        for host in self.hosts:
            pids = subprocess.run(["ip", "netns", "pids", host], text=True, stdout=subprocess.PIPE, check=False)
            for pid in map(int, pids.stdout.split()):
                os.kill(pid, signal.SIGKILL)
        process.wait()

    def exit_code(self, rank):
        path = self.top / f"code-{rank}"
        return int(path.read_text()) if path.exists() and path.read_text() else None

    def test_two_hosts_train_over_tcp_and_a_cut_cable_ends_both(self):
        process, run = self.start(changes={"max_steps": 1_000_000})
        self.wait_until(lambda: len(run.events("train")) >= 5, process)
        self.assertIn("2 ranks on 2 hosts", (run / "train.log").read_text())
        self.ip("-n", self.hosts[0], "link", "set", "cable", "down")
        cut = time.monotonic()
        while None in (self.exit_code(0), self.exit_code(1)):
            self.assertLess(time.monotonic() - cut, 20, f"exit codes {self.exit_code(0)}, {self.exit_code(1)}")
            time.sleep(0.05)
        self.assertEqual((self.exit_code(0), self.exit_code(1)), (DISTRIBUTED, DISTRIBUTED))
        self.assertFalse(self.ranks_of("run"))
        self.end(process)  # mpirun itself waits for its helper on the other host, as long as TCP does

        self.ip("-n", self.hosts[0], "link", "set", "cable", "up")
        steps = run.checkpoint_steps()
        process, run = self.start("--resume", "auto", changes={"max_steps": steps[-1] + 3})
        self.assertEqual(process.wait(TIMEOUT_S), DONE, process.stderr.read())
        self.assertEqual([step for step, _ in run.losses()], list(range(1, steps[-1] + 4)))


if __name__ == "__main__":
    sys.exit(unittest.main())
