"""Networks of a pair on a graphics card, compiled by Numba for CUDA. Needs a card, and the extra `cuda`.

`halving_kernel` makes both pictures' eighths, `operators` has the layers that run on those, and `fusing_kernel` goes
over the pixels, from levels to levels. `chain_layers` lays DetailNet's weights out for it. `area_kernels` looks at
whole pictures. How a pair of pictures goes through all this is in `npfuse.card_run`; nothing is compiled before it is
needed.
"""
