#!/usr/bin/env python3
"""What nvcc_report.py requires of a kernel's registers, memory and accesses, and the known exceptions.

A kernel promises accesses of 16 bytes by its signature (kernels/gpu/storage.h, elementwise.h): it is
compiled for Rows::kWhole, or it takes a FlatRange. nvcc may take such an access apart, silently.
"""

import collections
import re

VECTOR = "16"  # bytes, as sass.py keeps widths
MAX_STATIC_SHARED = 48 * 1024

# Of a multiprocessor: https://docs.nvidia.com/cuda/cuda-c-programming-guide, "Technical Specifications per
# Compute Capability". Each quarter gives registers to its warps 256 at a time; a block takes 1 KiB more of
# shared memory than it asks for.
REGISTERS, QUARTERS, REGISTER_UNIT, WARPS, BLOCKS = 65536, 4, 256, 64, 32
SHARED = {"sm_80": 164 * 1024, "sm_90": 228 * 1024}
RESERVED_SHARED = 1024

# Kernels with a stack frame: {(name, architecture): (bytes, why)}. A change of the size is a fault, too.
KNOWN_FRAMES = {
    ("reduce_kernel", "sm_90"): (40, "of a test: each thread picks one of nine results"),
}

# Kernels that promise 16 bytes and also store less: the widths, and what it is that they store. None
# stores at 16 bytes if `wide` is false; `pieces`: the accesses, STG or LDG, of which some are in pieces.
Narrow = collections.namedtuple("Narrow", "widths reason wide pieces", defaults=(True, ()))
SUMS = "sums over rows, one per column"
NARROW = {
    "batch_norm_gradient_sum_kernel": Narrow((4,), SUMS),
    "batch_norm_normalise_kernel": Narrow((1,), "the ReLU's mask, one bit per element"),
    "batch_norm_sum_kernel": Narrow((4,), SUMS),
    "bias_gradient_kernel": Narrow((4,), SUMS, wide=False),
    "count_nonfinite_kernel": Narrow((8,), "one count per block", wide=False),
    "gelu_backward_kernel": Narrow((4,), SUMS),
    "layer_norm_backward_kernel": Narrow((4,), SUMS),
    "layer_norm_forward_kernel": Narrow((4,), "a row's mean and deviation"),
    "layer_norm_wide_sum_kernel": Narrow((4,), SUMS, wide=False),
    "layer_scale_backward_kernel": Narrow((4,), SUMS),
    "max_pool2d_forward_kernel": Narrow((8,), "places of eight maxima, a byte each"),
    "render_views_kernel": Narrow((4,), "planes in the workspace; loads are a view's parameters, once",
                                  pieces=("LDG",)),
    "sum_of_squares_kernel": Narrow((8,), "one sum per block", wide=False),
    "token_embed_backward_kernel": Narrow((4,), "gradients of parameters, once per batch",
                                          pieces=("LDG", "STG")),
}


def plain_name(demangled_name):
    """Without namespaces, template arguments and parameters."""
    return re.search(r"\w+$", re.sub(r"\(anonymous namespace\)::", "", demangled_name).split("<")[0])[0]


def resident_blocks(kernel):
    """Blocks that run beside each other on a multiprocessor; dynamic shared memory may leave room for fewer."""
    warps = -(-kernel["threads"] // 32)
    per_warp = -(-kernel["registers"] * 32 // REGISTER_UNIT) * REGISTER_UNIT
    by_registers = REGISTERS // QUARTERS // per_warp * QUARTERS // warps if per_warp else BLOCKS
    by_shared = SHARED[kernel["architecture"]] // (kernel["shared"] + RESERVED_SHARED)
    return min(by_registers, by_shared, WARPS // warps, BLOCKS)


def occupancy(kernel):
    """The share of a multiprocessor's warps that resident_blocks() fill."""
    return resident_blocks(kernel) * -(-kernel["threads"] // 32) / WARPS


def promises_vectors(mangled):
    return "4RowsE0E" in mangled or takes_flat_range(mangled)


def takes_flat_range(mangled):
    """Elements that are no whole vector are then accessed one by one, besides."""
    return "9FlatRange" in mangled


def faults(kernel, name):
    """What is wrong with one kernel, in words; `name`: its plain_name()."""
    found = []
    if kernel["spills"]:
        found.append(f"spills {kernel['spills']} bytes")
    frame, _ = KNOWN_FRAMES.get((name, kernel["architecture"]), (0, ""))
    if kernel["stack"] != frame:
        found.append(f"a stack frame of {kernel['stack']} bytes"
                     + (f" where KNOWN_FRAMES has {frame}" if frame else ""))
    if not kernel["threads"]:
        found.append("no __launch_bounds__")
    elif (blocks := resident_blocks(kernel)) < max(kernel["blocks"], 1):
        found.append(f"{kernel['registers']} registers, {kernel['shared']} bytes of shared memory and "
                     f"{kernel['threads']} threads leave room for {blocks} blocks, not {max(kernel['blocks'], 1)}")
    if kernel["shared"] > MAX_STATIC_SHARED:
        found.append(f"{kernel['shared']} bytes of static shared memory > {MAX_STATIC_SHARED}")
    if not frame:
        found += local_accesses(kernel["accesses"])
    if promises_vectors(kernel["kernel"]):
        found += broken_promises(kernel["kernel"], name, kernel["accesses"])
    return found


def local_accesses(found):
    count = sum(sum(found["counts"].get(op, {}).values()) for op in ("STL", "LDL"))
    return [f"{count} accesses to local memory (STL, LDL)"] if count else []


def broken_promises(mangled, name, found):
    """Of a kernel that promises accesses of 16 bytes; `found`: as from sass.parse_sass()."""
    known = NARROW.get(name, Narrow((), ""))
    stores = found["counts"].get("STG", {})
    wrong = []
    if known.wide and VECTOR not in stores:
        wrong.append("promises 16-byte stores but has no STG.128")
    if not known.wide and VECTOR in stores:
        wrong.append("has a STG.128: its entry in NARROW is out of date")
    for operation, what in (("STG", "stores"), ("LDG", "loads")):
        count = found["split"][operation]
        if bool(count) != (operation in known.pieces) and not (operation == "LDG" and takes_flat_range(mangled)):
            wrong.append(f"{count} {what} of 16 bytes in pieces"
                         + (": its entry in NARROW is out of date" if count == 0 else ""))
    if not takes_flat_range(mangled):
        wrong += [f"{count} stores of {width} bytes beside those of 16" for width, count in sorted(stores.items())
                  if width != VECTOR and int(width) not in known.widths]
    return wrong
