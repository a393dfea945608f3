"""The compiled kernel of the fused energies; everything else stands in pyproject.toml.

Without a C compiler that knows vector extensions (GCC, Clang) the package is installed without the
kernel, and computes by torch.
"""

from __future__ import annotations

import sys

from setuptools import Extension, setup

FOLDER = "leaf_port/_ops/energies/"
# No -march: the source is compiled for several instruction sets, and the processor chooses.
OPTIONS = [] if sys.platform == "win32" else ["-O3", "-std=gnu11", "-fvisibility=hidden"]

setup(
    ext_modules=[
        Extension(
            "leaf_port._ops.energies._kernel",
            sources=[FOLDER + "kernel.c"],
            depends=[FOLDER + "kernel_level.h", FOLDER + "kernel_real.h"],
            extra_compile_args=OPTIONS,
            optional=True,
        )
    ]
)
