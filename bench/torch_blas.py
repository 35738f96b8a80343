"""What comparisons with PyTorch need: its modules, and a fast BLAS.

python3-torch takes the system's BLAS, and the reference BLAS is 50 times slower.
"""
import importlib
import os
import re
import sys

REFERENCE = r"/(blas|lapack|lib|x86_64-linux-gnu)/libblas\.so"


def modules(script, doc, *names):
    """The modules of these names. Where one is missing, ends the script: with its help if that was asked for, else with
    what is missing."""
    try:
        return [importlib.import_module(name) for name in names]
    except ImportError as error:
        if {"-h", "--help"} & set(sys.argv):
            sys.exit(print(doc))
        print(f"{error.name} is missing; the first lines of {script} say what this needs", file=sys.stderr)
        sys.exit(2)


def blas_library():
    """The file of the BLAS loaded in this process, the reference BLAS before others; `built in` if there is none."""
    import torch

    torch.ones(8, 8) @ torch.ones(8, 8)
    with open("/proc/self/maps", encoding="utf-8") as maps:
        files = {line.split()[-1] for line in maps if re.search(r"/lib(blas|openblas|blis|mkl_rt)[^/]*\.so", line)}
    return max(map(os.path.realpath, files), key=lambda f: bool(re.search(REFERENCE, f)), default="built in")


def require_fast_blas():
    """blas_library(), or exits with a message if it is the reference BLAS: the comparison would not be fair."""
    library = blas_library()
    if re.search(REFERENCE, library):
        sys.exit(f"PyTorch multiplies with {library}, the unoptimised reference BLAS; a comparison needs a fast one: "
                 "apt-get install libopenblas0-pthread")
    return library


if __name__ == "__main__":
    print(blas_library())
