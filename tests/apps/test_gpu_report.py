#!/usr/bin/env python3
"""bench/gpu_report.sh with stand-ins for the programs: what fails, hangs or is missing."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "bench/gpu_report.sh"
ALL_PASSED, A_FAILURE, USAGE, DEVICE, TIME_UP = 0, 1, 2, 8, 75
TIMEOUT_S = 100

# Claims that its GPU is emulated, so that no real one is needed, and trains in no time.
TRAIN_BYOL = """
echo "train_byol $*" >>"$CALLS"
case "$*" in
  --version) echo "cuda       emulated on the CPU" ;;
  *--check*) echo "gpu 0      stand-in, compute capability 9.0"; exit "${CHECK_EXIT:-0}" ;;
  *) exit 3 ;;
esac
"""

# Three suites: one passes, one has a failing, a crashing and a passing test, one hangs.
KERNEL_TESTS = """
echo "cuda_kernel_tests $*" >>"$CALLS"
run() {
  echo "[ RUN      ] $1"
  case $1 in
    *Fails/0) echo "case.cpp:7: Failure"; echo "Expected equality"; echo "[  FAILED  ] $1 (1 ms)"; bad=1 ;;
    *Crashes) kill -SEGV $$ ;;
    *Hangs) sleep 100 ;;
    *) echo "[       OK ] $1 (1 ms)" ;;
  esac
}
case $1 in
  --gtest_list_tests)
    printf '%s\\n' "Good." "  One" "  Two" "Sizes/Bad." "  Fails/0  # GetParam() = 1" "  Crashes" "  Passes" \\
      "Slow." "  Hangs" ;;
  *) IFS=: ; bad=0; for test in ${1#*=}; do run "$test"; done; exit $bad ;;
esac
"""
RUNTIME_TESTS = """
echo "cuda_runtime_tests $*" >>"$CALLS"
case $1 in
  --gtest_list_tests) printf 'Memory.\\n  IsReused\\n' ;;
  *) echo "[ RUN      ] Memory.IsReused"; echo "[       OK ] Memory.IsReused (0 ms)" ;;
esac
"""


class GpuReport(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = pathlib.Path(folder.name)
        self.calls = self.top / "calls"
        self.program("train_byol", TRAIN_BYOL)
        self.program("cuda_kernel_tests", KERNEL_TESTS)
        self.program("cuda_runtime_tests", RUNTIME_TESTS)

    def program(self, name, text):
        path = self.top / "build/bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/usr/bin/env bash" + text)
        path.chmod(0o755)

    def report(self, *args, code, **variables):
        env = {**os.environ, "CALLS": str(self.calls), "RELA_SUITE_SECONDS": "2",
               "RELA_TEST_SECONDS": "1", **variables}
        result = subprocess.run([SCRIPT, "--build", self.top / "build", "--out", self.top / "out", *args],
                                env=env, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False)
        self.assertEqual(result.returncode, code, result.stdout)
        return result.stdout

    def results(self):
        return json.loads((self.top / "out/results.json").read_text())

    def status(self, section):
        return next(row["status"] for row in self.results()["sections"] if row["section"] == section)

    def test_a_failing_a_crashing_and_a_hanging_test_are_named_and_the_rest_goes_on(self):
        output = self.report("--only", "facts,ops,racecheck", code=A_FAILURE)
        failures = self.results()["failures"]["ops"]
        self.assertEqual(set(failures), {"cuda_kernel_tests:Sizes/Bad.Fails/0",
                                         "cuda_kernel_tests:Sizes/Bad.Crashes",
                                         "cuda_kernel_tests:Slow.Hangs"})
        self.assertIn("case.cpp:7: Failure | Expected equality",
                      failures["cuda_kernel_tests:Sizes/Bad.Fails/0"])
        self.assertIn("SIGSEGV", failures["cuda_kernel_tests:Sizes/Bad.Crashes"])
        self.assertIn("cut off", failures["cuda_kernel_tests:Slow.Hangs"])
        tests = json.loads((self.top / "out/work/ops.json").read_text())["tests"]
        passed = {name for name, test in tests.items() if test["status"] == "PASS"}
        self.assertEqual(passed, {"cuda_kernel_tests:Good.One", "cuda_kernel_tests:Good.Two",
                                  "cuda_kernel_tests:Sizes/Bad.Passes",
                                  "cuda_runtime_tests:Memory.IsReused"})
        self.assertIn("ops: FAIL cuda_kernel_tests:Slow.Hangs", output)
        self.assertEqual([self.status(name) for name in ("facts", "ops", "racecheck")],
                         ["PASS", "FAIL", "SKIPPED"])
        self.assertIn("Slow.Hangs", (self.top / "out/results.md").read_text())

    def test_the_plan_fits_the_limit_and_names_what_does_not(self):
        plan = self.report("--plan", code=ALL_PASSED).splitlines()
        self.assertEqual([line.split()[0] for line in plan],
                         ["facts", "ops", "training", "steps", "kernels", "resume", "memcheck", "racecheck"])
        self.assertNotIn("later than", "".join(plan))
        plan = self.report("--plan", "--only", "facts,ops", "--limit", "60", code=ALL_PASSED).splitlines()
        self.assertEqual(["later than --limit 60" in line for line in plan], [False, True])
        self.assertFalse(self.calls.exists())  # nothing ran

    def test_a_section_that_fails_does_not_end_the_others(self):
        self.report("--only", "training,resume,memcheck", code=A_FAILURE)
        self.assertEqual([self.status(name) for name in ("training", "resume", "memcheck")],
                         ["FAIL", "FAIL", "SKIPPED"])

    def test_a_second_run_does_what_is_left_and_again_does_everything(self):
        self.report("--only", "ops", code=A_FAILURE)
        before = self.calls.read_text().count("cuda_kernel_tests")
        output = self.report("--only", "facts,ops", code=A_FAILURE)
        self.assertIn("ops: done before, FAIL", output)
        self.assertEqual(self.calls.read_text().count("cuda_kernel_tests"), before)
        self.assertEqual(self.status("facts"), "PASS")
        self.report("--only", "ops", "--again", code=A_FAILURE)
        self.assertEqual(self.calls.read_text().count("cuda_kernel_tests"), 2 * before)

    def test_what_the_time_cut_off_goes_on_where_it_ended(self):
        self.report("--only", "ops", "--limit", "8", code=TIME_UP, RELA_SUITE_SECONDS="60")
        self.assertEqual(self.status("ops"), "CUT")
        self.assertEqual(self.calls.read_text().count("=Good.One:Good.Two"), 1)
        self.report("--only", "ops", code=A_FAILURE)
        self.assertEqual(self.status("ops"), "FAIL")
        self.assertEqual(self.calls.read_text().count("=Good.One:Good.Two"), 1)

    def test_a_folder_that_came_back_as_an_archive_is_gone_on_from(self):
        self.report("--only", "facts", code=ALL_PASSED)
        subprocess.run(["rm", "-r", self.top / "out/work"], check=True)
        self.assertIn("facts: done before", self.report("--only", "facts", code=ALL_PASSED))

    def test_another_build_is_measured_anew(self):
        self.report("--only", "facts", code=ALL_PASSED)
        self.program("cuda_kernel_tests", KERNEL_TESTS + "# changed\n")
        self.assertNotIn("done before", self.report("--only", "facts", code=ALL_PASSED))

    def test_a_missing_test_program_is_a_failure(self):
        (self.top / "build/bin/cuda_runtime_tests").unlink()
        self.report("--only", "ops", code=A_FAILURE)
        self.assertIn("does not start", self.results()["failures"]["ops"]["cuda_runtime_tests"])

    def test_no_gpu_ends_with_the_reason(self):
        self.program("train_byol", TRAIN_BYOL.replace("gpu 0      stand-in, compute capability 9.0",
                                                      "device: no GPU driver is installed"))
        output = self.report(code=DEVICE, CHECK_EXIT="8")
        self.assertIn("no GPU driver is installed", output)

    def test_a_program_that_does_not_start_ends_with_the_reason(self):
        self.program("train_byol", "\necho 'version GLIBC_2.36 not found' >&2; exit 1\n")
        output = self.report(code=DEVICE)
        self.assertIn("version GLIBC_2.36 not found", output)
        self.assertIn("glibc must be", output)

    def test_a_missing_library_ends_with_the_reason(self):
        self.program("train_byol", "\necho 'libraries  oneDNN 2.6.3, cuDNN not found, cuBLASLt 13.1.0'\n")
        output = self.report(code=DEVICE)
        self.assertIn("cuDNN not found", output)
        self.assertIn("LD_LIBRARY_PATH", output)

    def test_wrong_usage_is_refused(self):
        self.assertIn("--only nothing", self.report("--only", "nothing", code=USAGE))
        self.assertIn("--limit 0", self.report("--limit", "0", code=USAGE))


if __name__ == "__main__":
    unittest.main()
