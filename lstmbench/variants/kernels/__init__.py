"""Step kernels of the variants, in C++, Triton and PyTorch, and blocked products for NumPy."""
