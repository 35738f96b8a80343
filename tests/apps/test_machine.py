#!/usr/bin/env python3
"""Programs on machines that are set up in unusual ways: OpenMP's environment, closed standard streams."""

import json
import os
import signal
import subprocess
import unittest

from programs import APPS, DEVICE, DONE, TIMEOUT_S, ProgramTest, environment, run_program


class OpenMp(ProgramTest):
    def losses(self, name, **env):
        """Losses and log of a run with two threads."""
        config = self.write_config({"threads": 2})
        base = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
        command = ["timeout", "-s", "KILL", str(TIMEOUT_S), APPS / "train_byol", config, "--out", self.top / name]
        done = subprocess.run(command, env=dict(base, **env), text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual(done.returncode, DONE, done.stdout)
        lines = (self.top / name / "metrics.jsonl").read_text().splitlines()
        return [e["loss"] for e in map(json.loads, lines) if e["event"] == "train"], done.stdout

    def test_settings_that_would_give_smaller_teams_change_nothing(self):
        wanted, _ = self.losses("plain")
        for setting in ({"OMP_DYNAMIC": "true"}, {"OMP_MAX_ACTIVE_LEVELS": "0"}):
            losses, log = self.losses(next(iter(setting)).lower(), **setting)
            self.assertEqual(losses, wanted)
            self.assertNotIn("warning", log)

    def test_fewer_threads_than_asked_for_are_a_warning(self):
        losses, log = self.losses("limited", OMP_THREAD_LIMIT="1")
        self.assertEqual(len(losses), 4)
        self.assertIn("warning: OpenMP starts 1 of 2 threads; computing with 1", log)


# At most THREADS_ALLOWED threads at a time beside the first one.
FEW_THREADS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
static int alive;
struct Start { void* (*body)(void*); void* argument; };
static void end(void* unused) { (void)unused; __atomic_sub_fetch(&alive, 1, __ATOMIC_SEQ_CST); }
static void* begin(void* argument) {
  struct Start start = *(struct Start*)argument;
  free(argument);
  void* result;
  pthread_cleanup_push(end, NULL);
  result = start.body(start.argument);
  pthread_cleanup_pop(1);
  return result;
}
int pthread_create(pthread_t* thread, const pthread_attr_t* how, void* (*body)(void*), void* argument) {
  int (*next)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*) = dlsym(RTLD_NEXT, "pthread_create");
  if (__atomic_add_fetch(&alive, 1, __ATOMIC_SEQ_CST) > atoi(getenv("THREADS_ALLOWED"))) { end(NULL); return EAGAIN; }
  struct Start* start = malloc(sizeof *start);
  *start = (struct Start){body, argument};
  return next(thread, how, begin, start);
}
"""


class Threads(ProgramTest):
    def few_threads(self):
        (self.top / "few.c").write_text(FEW_THREADS)
        library = self.top / "few.so"
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, self.top / "few.c", "-ldl"], check=True)
        return library

    def with_few_threads(self, library, allowed, config, out):
        return subprocess.run([APPS / "train_byol", config, "--out", out], text=True, timeout=TIMEOUT_S, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=dict(os.environ, LD_PRELOAD=str(library), THREADS_ALLOWED=str(allowed)))

    @unittest.skipIf(os.environ.get("RELA_SANITIZE"), "sanitizers wrap pthread_create themselves")
    def test_threads_that_the_system_does_not_start_are_an_error(self):
        library = self.few_threads()
        config = self.write_config({"threads": 2, "data.workers": 4})
        for allowed in range(5):  # one is OpenMP's, four are loaders
            out = self.top / f"run{allowed}"
            done = self.with_few_threads(library, allowed, config, out)
            self.assertFails(done, DEVICE, "threads: the system starts no more", "data.workers", "ulimit -u, ulimit -v")
            if out.exists():
                self.assertEqual(json.loads((out / "status.json").read_text())["state"], "failed")


    @unittest.skipIf(os.environ.get("RELA_SANITIZE"), "sanitizers wrap pthread_create themselves")
    def test_threads_of_shards_that_the_system_does_not_start_are_an_error(self):
        library = self.few_threads()
        config = self.write_config({"threads": 1, "batch_size": 8, "distributed.shards": 4})
        for allowed in (10, 6, 2):  # sums, loaders, shards
            done = self.with_few_threads(library, allowed, config, self.top / f"run{allowed}")
            self.assertFails(done, DEVICE, "threads: the system starts no more", "distributed.shards")

    def test_more_threads_than_cores_are_a_warning(self):
        usable = len(os.sched_getaffinity(0))
        config = self.write_config({"threads": usable + 1, "max_steps": 1})
        done = run_program("train_byol", config, "--out", self.top / "many")
        self.assertIn(f"warning: threads: {usable + 1} on ", done.stderr)
        self.assertIn("are of use", done.stderr)


class Memory(ProgramTest):
    @unittest.skipIf(os.environ.get("RELA_SANITIZE"), "sanitizers take all of the address space")
    def test_a_crash_where_memory_is_limited_says_so(self):
        process, run = self.start_training("run", changes={"max_steps": 1_000_000}, stderr=subprocess.PIPE)
        self.wait_until(lambda: run.events("train"), process)
        process.send_signal(signal.SIGSEGV)  # without a limit, memory is not to blame
        self.assertNotIn(b"ulimit", process.communicate(timeout=TIMEOUT_S)[1])
        config = self.write_config({"max_steps": 1_000_000})
        process = subprocess.Popen(["sh", "-c", 'ulimit -v 8000000; exec "$@"', "sh", APPS / "train_byol", config, "-q",
                                    "--out", self.top / "limited"], stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        self.wait_until(lambda: (self.top / "limited/status.json").exists(), process)
        process.send_signal(signal.SIGSEGV)
        message = process.communicate(timeout=TIMEOUT_S)[1]
        self.assertEqual(process.returncode, -signal.SIGSEGV)
        self.assertIn("ulimit -v", message)


    @unittest.skipIf(os.environ.get("RELA_SANITIZE"), "sanitizers take all of the address space")
    def test_too_little_address_space_is_an_error_not_a_crash(self):
        config = self.write_config({"backbone.width": 16, "batch_size": 32, "max_steps": 2, "threads": 2,
                                    "augmentations": [{"crop_size": 32}]})
        codes = []
        for kib in (*range(100_000, 500_000, 20_000), 2_000_000):
            done = subprocess.run(["sh", "-c", f'ulimit -c 0; ulimit -v {kib}; exec "$@"', "sh", APPS / "train_byol",
                                   config, "-q", "--overwrite", "--out", self.top / "run"], env=environment(),
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S,
                                  check=False)
            codes.append(done.returncode)
            self.assertIn(done.returncode, (DONE, DEVICE), f"ulimit -v {kib}: {done.stderr}")
            if done.returncode == DEVICE:
                self.assertRegex(done.stderr, "memory: |threads: ")
        self.assertEqual((codes[0], codes[-1]), (DEVICE, DONE))


class StandardStreams(ProgramTest):
    def test_log_lines_of_a_closed_stderr_land_in_no_file(self):
        config = self.write_config()
        out = self.top / "closed"
        done = subprocess.run(["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", APPS / "train_byol", config, "--out", out],
                              timeout=TIMEOUT_S, check=False)
        self.assertEqual(done.returncode, DONE)
        for line in (out / "metrics.jsonl").read_text().splitlines():
            json.loads(line)
        self.assertNotIn("device", (out / "run.lock").read_text() if (out / "run.lock").exists() else "")

    def test_a_reader_that_goes_away_does_not_end_a_run(self):
        config = self.write_config({"max_steps": 6})
        out = self.top / "piped"
        done = subprocess.run(["bash", "-o", "pipefail", "-c", '"$@" 2>&1 | head -n 1', "bash", APPS / "train_byol", config,
                               "--out", out], stdout=subprocess.PIPE, timeout=TIMEOUT_S, check=False)
        self.assertEqual(done.returncode, DONE)
        self.assertEqual(json.loads((out / "status.json").read_text())["state"], "finished")


if __name__ == "__main__":
    unittest.main()
