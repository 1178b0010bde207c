"""Networks of a pair on a graphics card, compiled by Numba for CUDA. Needs a card, and the extra `cuda`.

`halving_kernel` reduces both pictures to an eighth of their size, `operators` has the layers that run on the reduced
pictures, and `fusing_kernel` goes over the pixels, from levels to levels. `chain_layers` lays out DetailNet's weights
for it. `area_kernels` measures whole pictures. `npfuse.card_run` takes a pair of pictures through all this. Kernels are
compiled when they are first needed.
"""
