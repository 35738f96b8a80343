#!/usr/bin/env python3
"""Evaluates the numbers of gpu_report.sh: turns the files in a work folder into JSON, Markdown and text.

usage: gpu_report.py facts|steps|kernels|resumed WORK
       gpu_report.py compare WORK fp32|bf16-mixed|fp16-mixed
       gpu_report.py summary OUT SECTION...

Each prints its findings, the last line being a short summary. Exit code 1: a measurement failed its check.
"""

import ctypes
import hashlib
import json
import pathlib
import re
import statistics
import sys
import time

import step_model

# Largest relative difference between a loss and the CPU's: in the first steps, before later steps amplify rounding, and
# in all steps. bf16 keeps 8 bits of every activation, and the devices round in different places. f16 keeps 11 bits; it
# is compared with the CPU's f32.
TOLERANCES = {"fp32": {"first": 1e-3, "all": 1e-2}, "bf16-mixed": {"first": 2e-2, "all": 5e-2},
              "fp16-mixed": {"first": 1e-2, "all": 5e-2}}
FIRST_STEPS = 5
WARM_UP_STEPS = 50
DONE, TELLING_FAILURE = 0, 1


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def read_json(path):
    return json.loads(path.read_text()) if path.exists() else None


def train_events(run):
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["event"] == "train"]


# ---- facts ----

def cudnn_device(library=None, description=None):
    """cuDNN's description of device 0, as text; with `description`, that of a device made from it."""
    types = {"device": 38, "int32": 23, "char": 24}  # from cudnn_graph.h, version 9
    device_id, representation = 2700, 2702
    cudnn = ctypes.CDLL(library or "libcudnn.so.9")

    def call(name, *args):
        status = getattr(cudnn, name)(*args)
        if status != 0:
            raise OSError(f"{name} gives status {status}")

    handle = ctypes.c_void_p()
    call("cudnnBackendCreateDescriptor", types["device"], ctypes.byref(handle))
    if description is None:
        device = ctypes.c_int32(0)
        call("cudnnBackendSetAttribute", handle, device_id, types["int32"], ctypes.c_int64(1),
             ctypes.byref(device))
    else:
        text = description.encode()
        call("cudnnBackendSetAttribute", handle, representation, types["char"],
             ctypes.c_int64(len(text) + 1), text)
    call("cudnnBackendFinalize", handle)
    count = ctypes.c_int64()
    buffer = ctypes.create_string_buffer(1 << 16)
    call("cudnnBackendGetAttribute", handle, representation, types["char"],
         ctypes.c_int64(len(buffer)), ctypes.byref(count), buffer)
    return buffer.value.decode()


def facts(work):
    check = (work / "check.txt").read_text().splitlines()
    lines = {words[0]: words[1] for words in (re.split(r"\s{2,}|(?<=gpu \d)\s+", line, maxsplit=1)
                                              for line in check) if len(words) == 2}
    found = {key: lines[key] for key in ("build", "cuda", "libraries", "gpu 0") if key in lines}
    smi = (work / "nvidia-smi.txt").read_text()
    for key in ("Driver Version", "CUDA Version", "Persistence Mode", "MIG Mode", "Current Power Limit"):
        match = re.search(rf"^\s*{key}\s*: (.*)$", smi, re.M)
        if match:
            found[key] = match.group(1).strip()
    try:
        found["cudnn_device"] = json.loads(cudnn_device())
    except (OSError, ValueError) as problem:
        found["cudnn_device"] = f"not read: {problem}"
    write_json(work / "facts.json", found)
    print(json.dumps(found, indent=1))
    print(found.get("gpu 0", "the GPU does not name itself"))
    return DONE if "gpu 0" in found else TELLING_FAILURE


# ---- training ----

def compare(work, precision):
    on_cpu = work / f"train-{precision}-cpu"  # absent for a precision that the CPU lacks
    here = train_events(on_cpu if on_cpu.exists() else work / "train-fp32-cpu")
    there = train_events(work / f"train-{precision}-cuda")
    allowed = TOLERANCES[precision]
    steps, worst_first, worst = [], 0.0, 0.0
    for cpu, cuda in zip(here, there):
        losses = [event["loss"] for event in (cpu, cuda)]
        if any(isinstance(loss, str) for loss in losses):  # "nan", "inf"
            distance = float("inf")
        else:
            distance = abs(losses[1] - losses[0]) / max(abs(losses[0]), 1e-12)
        steps.append({"step": cpu["step"], "cpu": losses[0], "cuda": losses[1]})
        worst = max(worst, distance)
        if cpu["step"] <= FIRST_STEPS:
            worst_first = max(worst_first, distance)
    good = (len(here) == len(there) > 0 and worst_first <= allowed["first"]
            and worst <= allowed["all"])
    write_json(work / f"training-{precision}.json",
               {"precision": precision, "agrees": good, "largest_distance_first": worst_first,
                "largest_distance": str(worst) if worst == float("inf") else worst,
                "allowed": allowed, "steps": steps})
    print(f"{precision}: {len(there)} losses {'agree' if good else 'DO NOT AGREE'} with the CPU's; "
          f"largest distance {worst_first:.1e} in {FIRST_STEPS} steps ({allowed['first']:.0e} allowed), "
          f"{worst:.1e} in all ({allowed['all']:.0e} allowed)")
    return DONE if good else TELLING_FAILURE


def steps(work):
    rows = []
    for precision in ("bf16-mixed", "fp16-mixed", "fp32"):
        run = work / f"steps-{precision}"
        events = train_events(run)
        warm = [e for e in events if e["step"] > WARM_UP_STEPS] or events[len(events) // 2:]
        config = json.loads((run / "config.resolved.json").read_text())
        rows.append({"precision": precision, "batch_size": config["batch_size"],
                     "width": config["backbone"]["width"], "steps": events[-1]["step"],
                     **{key: statistics.median(e[key] for e in warm)
                        for key in ("img_per_s", "iter_ms", "data_wait")},
                     "last_loss": events[-1]["loss"]})
    write_json(work / "steps.json", rows)
    print("; ".join(f"{row['precision']} {row['img_per_s']:.0f} images/s" for row in rows))
    finite = all(not isinstance(row["last_loss"], str) for row in rows)
    return DONE if finite else TELLING_FAILURE


def roofs_of(facts_found, timed):
    """The measured rates of a copy and of products in bf16; else those assumed of this GPU; None of an unknown one."""
    def rate(kind, dtype, what):
        return next((row[what] for row in timed if row["name"].startswith(kind) and dtype in row["name"]), None)

    measured = step_model.Roofs(rate("product/", "dtype:bf16", "flops"), rate("copy/", "", "bytes_per_second"))
    if measured.flops and measured.bandwidth:
        return measured
    name = (facts_found or {}).get("gpu 0", "")
    return next((roofs for device, roofs in step_model.DEVICES.items() if device in name), None)


def add_predictions(data):
    """To the rows of `steps` that the model covers: what it predicts, beside what was measured."""
    roofs = roofs_of(data.get("facts"), (data.get("kernels") or {}).get("kernels", []))
    for row in data.get("steps") or []:
        if roofs and step_model.TRACES.exists() and row["width"] == 64 and row["precision"] != "fp32":
            traced = read_json(step_model.TRACES)["resnet18-cifar"]
            step = step_model.predict(traced, row["batch_size"], roofs)
            row["predicted_img_per_s"] = [row["batch_size"] / step.seconds(share) for share in step_model.SHARES]


# ---- kernels ----

def kernels(work):
    runs, failed = [], {}
    for log in sorted((work / "bench").glob("*.log")):
        try:  # a family that crashed leaves invalid JSON
            runs += json.loads(log.with_suffix(".json").read_text())["benchmarks"]
        except (OSError, ValueError):
            failed[log.stem] = (log.read_text(errors="replace").splitlines() or ["no output"])[-1]

    def argument(run, key):
        match = re.search(rf"/{key}:(\w+)", run["name"])
        return match.group(1) if match else None

    failed |= {run["name"]: run["error_message"] for run in runs if run.get("error_occurred")}
    runs = [run for run in runs if not run.get("error_occurred")]
    copy = next((run["bytes_per_second"] for run in runs if run["name"].startswith("copy/")), None)
    products = {(argument(run, "dtype"), argument(run, "math")): run["flops"]
                for run in runs if run["name"].startswith("product/")}
    rows = []
    for run in runs:
        row = {"name": run["name"].replace("/manual_time", ""),
               "microseconds": run["real_time"] * {"ns": 1e-3, "us": 1, "ms": 1e3}[run["time_unit"]],
               "bytes_per_second": run["bytes_per_second"]}
        if "flops" in run:
            row["flops"] = run["flops"]
        if not run["name"].startswith(("copy/", "product/")):
            product = products.get((argument(run, "dtype"), "exact"))
            shares = [("copy", run["bytes_per_second"] / copy)] if copy else []
            if "flops" in run and product:
                shares.append(("product", run["flops"] / product))
            if shares:  # the limit that binds is the one that it comes nearest to
                row["share_of"], row["share"] = max(shares, key=lambda share: share[1])
        rows.append(row)
    write_json(work / "kernels.json", {"kernels": rows, "failed": failed})
    for row in sorted(rows, key=lambda row: row.get("share", 0)):
        if "share" in row:
            print(f"{row['share']:7.1%} of {row['share_of']:<8}{row['microseconds']:10.1f} us  {row['name']}")
    for name, message in failed.items():
        print(f"FAIL {name}: {message}")
    print(f"{len(rows)} timed; failed: {', '.join(failed) or 'none'}; copy "
          f"{(copy or 0) / 1e12:.2f} TB/s, products "
          + ", ".join(f"{rate / 1e12:.0f} TFLOP/s" for rate in products.values()))
    return TELLING_FAILURE if failed else DONE


# ---- resume ----

def resumed(work):
    def hashes(run):
        files = [*sorted(run.glob("checkpoints/step-*/*.safetensors"))[-3:],
                 run / "exported/backbone.safetensors"]
        return {str(file.relative_to(run)): hashlib.sha256(file.read_bytes()).hexdigest()
                for file in files}

    whole, cut = (hashes(work / name) for name in ("whole", "cut"))
    losses = [[(e["step"], e["loss"]) for e in train_events(work / name)] for name in ("whole", "cut")]
    different = [name for name in whole if cut.get(name) != whole[name]]
    if losses[0] != losses[1]:
        different.append("losses")
    write_json(work / "resumed.json", {"same_bits": not different, "different": different})
    print(f"different after the kill: {', '.join(different)}" if different
          else f"the same bits in {len(whole)} files and {len(losses[0])} losses")
    return TELLING_FAILURE if different else DONE


# ---- summary ----

def cell(text):
    return " ".join(str(text).split()).replace("|", "\\|")


def failures_of(work, name):
    found = read_json(work / f"{name}.json") or {}
    if name == "kernels":
        return found.get("failed", {})
    tests = found.get("tests", {})
    return {test: result["message"] for test, result in tests.items() if result["status"] == "FAIL"}


def section_rows(work, names):
    for name in names:
        path = work / f"{name}.section"
        status, seconds, note = ["CUT", "0", "not run"]
        if path.exists():
            status, seconds, note = path.read_text().rstrip("\n").split("\t", 2)
        yield {"section": name, "status": status, "seconds": int(seconds), "note": note}


def prediction(row):
    return " to ".join(map(step_model.rounded, row.get("predicted_img_per_s", ())))


def markdown(results):
    facts_found = results["data"].get("facts") or {}
    lines = [f"# {cell(facts_found.get('gpu 0', 'GPU'))}", ""]
    lines += [f"{results['date']}, `bench/gpu_report.sh`"]
    lines += [f"{key}: {cell(value)}" for key, value in facts_found.items()
              if isinstance(value, str) and key != "gpu 0"]
    lines += ["", "| section | result | seconds | |", "|---|---|---|---|"]
    lines += [f"| {row['section']} | {row['status']} | {row['seconds']} | {cell(row['note'])} |"
              for row in results["sections"]]
    for section, tests in results["failures"].items():
        lines += ["", f"## {section}: {len(tests)} failed", ""]
        lines += [f"- `{test}`: {cell(message)}" for test, message in tests.items()]
    if results["data"].get("steps"):
        lines += ["", "## Steps", "", "| precision | batch | width | images/s | predicted | ms | wait for data |",
                  "|---|---|---|---|---|---|---|"]
        lines += [f"| {r['precision']} | {r['batch_size']} | {r['width']} | {r['img_per_s']:.0f} | "
                  f"{prediction(r)} | {r['iter_ms']:.2f} | {r['data_wait']:.1%} |" for r in results["data"]["steps"]]
    timed = (results["data"].get("kernels") or {}).get("kernels", [])
    if timed:
        lines += ["", "## Kernels", "", "| kernel | us | TB/s | TFLOP/s | share |", "|---|---|---|---|---|"]
        for row in timed:
            flops = f"{row['flops'] / 1e12:.1f}" if "flops" in row else ""
            share = f"{row['share']:.1%} of {row['share_of']}" if "share" in row else ""
            lines += [f"| {row['name']} | {row['microseconds']:.1f} | "
                      f"{row['bytes_per_second'] / 1e12:.2f} | {flops} | {share} |"]
    return "\n".join(lines) + "\n"


def summary(out, names):
    work = out / "work"
    results = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "sections": list(section_rows(work, names)),
               "failures": {name: failures_of(work, name) for name in ("ops", "kernels", "memcheck", "racecheck")},
               "data": {name: read_json(work / f"{name}.json")
                        for name in ("facts", "training-fp32", "training-bf16-mixed",
                                     "training-fp16-mixed", "steps", "kernels", "resumed")}}
    results["failures"] = {name: tests for name, tests in results["failures"].items() if tests}
    add_predictions(results["data"])
    write_json(out / "results.json", results)
    (out / "results.md").write_text(markdown(results))
    print(f"\n{'section':<12}{'result':<9}{'seconds':>7}  ")
    for row in results["sections"]:
        print(f"{row['section']:<12}{row['status']:<9}{row['seconds']:>7}  {row['note']}")
    for row in results["data"]["steps"] or []:
        if prediction(row):
            print(f"{row['precision']}: {row['img_per_s']:.0f} images/s measured, {prediction(row)} predicted")
    for section, tests in results["failures"].items():
        for test, message in tests.items():
            print(f"{section}: FAIL {test}: {message}")
    print(f"results: {out / 'results.md'}")
    return DONE


def main(arguments):
    if len(arguments) < 2:
        sys.exit(__doc__)
    command, folder, *rest = arguments
    folder = pathlib.Path(folder)
    if command == "compare":
        return compare(folder, rest[0])
    if command == "summary":
        return summary(folder, rest)
    return {"facts": facts, "steps": steps, "kernels": kernels, "resumed": resumed}[command](folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
