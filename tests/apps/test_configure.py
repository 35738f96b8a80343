#!/usr/bin/env python3
"""CMake's errors if something that a build needs is missing or too old: its name, what to install, what to set.

RELA_DNNL and RELA_XXHASH hold the include folder and the library of oneDNN and xxHash, RELA_PNG the include folders of libpng and of zlib,
RELA_PICTURES those of libjpeg, libarchive, libwebp and libwebpdemux; they are given to builds that find nothing else.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NVCC = shutil.which("nvcc", path=f"{os.environ['PATH']}:/usr/local/cuda/bin")


class Configure(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = pathlib.Path(folder.name)

    def refusal(self, **settings):
        """CMake's error, as one line."""
        command = ["cmake", "-G", "Ninja", "-S", ROOT, "-B", self.top / "build", *(f"-D{k}={v}" for k, v in settings.items())]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.assertNotEqual(run.returncode, 0, run.stdout)
        self.assertIn("CMake Error", run.stdout)
        return re.sub(r"\s+", " ", run.stdout[run.stdout.index("CMake Error"):])

    def nothing_in(self, *kinds):
        """Settings with which CMake finds no headers or libraries outside an empty folder."""
        include, library = os.environ["RELA_DNNL"].split(";")
        xx_include, xx_library = os.environ["RELA_XXHASH"].split(";")
        png, zlib = os.environ["RELA_PNG"].split(";")
        jpeg, archive, webp, demux = os.environ["RELA_PICTURES"].split(";")
        empty = self.top / "empty"
        empty.mkdir()
        return {"DNNL_INCLUDE_DIR": include, "DNNL_LIBRARY": library, "XXHASH_INCLUDE_DIR": xx_include,
                "JPEG_INCLUDE_DIR": jpeg, "LibArchive_INCLUDE_DIR": archive, "WEBP_INCLUDE_DIR": webp,
                "WEBPDEMUX_INCLUDE_DIR": demux, "XXHASH_LIBRARY": xx_library, "PNG_PNG_INCLUDE_DIR": png, "ZLIB_INCLUDE_DIR": zlib, "CMAKE_FIND_ROOT_PATH": empty,
                **{f"CMAKE_FIND_ROOT_PATH_MODE_{kind}": "ONLY" for kind in kinds}}

    def header(self, name, text=""):
        (self.top / "include").mkdir(exist_ok=True)
        (self.top / "include" / name).write_text(text)

    def test_a_required_package(self):
        error = self.refusal(CMAKE_DISABLE_FIND_PACKAGE_CLI11="ON")
        self.assertIn("CLI11 not found: install libcli11-dev", error)
        self.assertIn("set CLI11_DIR", error)

    def test_one_dnn(self):
        settings = self.nothing_in("INCLUDE", "LIBRARY")
        del settings["DNNL_INCLUDE_DIR"], settings["DNNL_LIBRARY"]
        error = self.refusal(**settings)
        self.assertIn("oneDNN not found: install libdnnl-dev", error)
        self.assertIn("set DNNL_INCLUDE_DIR and DNNL_LIBRARY", error)

    def test_an_optional_package_that_is_asked_for(self):
        error = self.refusal(CMAKE_DISABLE_FIND_PACKAGE_GTest="ON", RELA_TESTS="ON")
        self.assertIn("GoogleTest not found but RELA_TESTS=ON: install libgtest-dev libgmock-dev", error)
        self.assertIn("-DRELA_TESTS=OFF", error)

    def test_an_unknown_kind_of_cuda(self):
        self.assertIn("RELA_CUDA=MAYBE; allowed are OFF, SIMT and ON", self.refusal(RELA_CUDA="MAYBE"))

    def test_no_cuda_headers(self):
        error = self.refusal(RELA_CUDA="SIMT", **self.nothing_in("INCLUDE"))
        self.assertIn("CUDA headers not found but RELA_CUDA=SIMT: install the CUDA Toolkit 13", error)
        self.assertIn("CUDAToolkit_ROOT", error)

    def test_an_old_toolkit(self):
        self.header("cuda_runtime_api.h", "#define CUDART_VERSION  12040\n")
        error = self.refusal(RELA_CUDA="SIMT", RELA_CUDA_INCLUDE_DIR=self.top / "include")
        self.assertIn("CUDA 12040 in", error)
        self.assertIn("13000 (13.0) is the first that serves", error)

    @unittest.skipUnless(NVCC, "nvcc is not installed: a build for GPUs cannot be configured")
    def test_an_old_cudnn(self):
        self.header("cudnn_backend.h")
        self.header("cudnn_version.h", "#define CUDNN_MAJOR 9\n#define CUDNN_MINOR 1\n#define CUDNN_PATCHLEVEL 0\n")
        library = self.top / "libcudnn.so"
        library.touch()
        error = self.refusal(RELA_CUDA="ON", CMAKE_CUDA_ARCHITECTURES="90a", CUDNN_LIBRARY=library,
                             CUDNN_INCLUDE_DIR=self.top / "include")
        self.assertIn("cuDNN 9.1.0 is too old but RELA_CUDA=ON: install cuDNN 9.13 or later", error)
        self.assertIn("set CUDNN_ROOT", error)


if __name__ == "__main__":
    unittest.main()
