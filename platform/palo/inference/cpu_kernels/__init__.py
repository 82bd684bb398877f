"""Float32 kernels of the engine for CPU cores, in C++ that is compiled for the machine they run on.

PyTorch's own operations stand in where there is no compiler.
"""

from palo.inference.cpu_kernels.attention import KernelAttentions
from palo.inference.cpu_kernels.layers import kernel_stack
from palo.inference.cpu_kernels.library import KernelLibrary, kernel_library

__all__ = ["KernelAttentions", "KernelLibrary", "kernel_library", "kernel_stack"]
