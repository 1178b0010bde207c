"""DeepFuse and MEF-Net in PyTorch, written from the papers and the released scripts, apart from the graphs.

Each takes the imported torch, pictures (H, W, 3) of float64 in [0, 1], and weights by the graphs' names; it
computes in float64 and returns the fused picture, (H, W, 3) of floats in [0, 1].
"""

import numpy as np


def _kernel(torch, array):
    """(kH, kW, Cin, Cout) to torch's (Cout, Cin, kH, kW)."""
    return torch.from_numpy(np.asarray(array, np.float64).transpose(3, 2, 0, 1).copy())


def deepfuse(torch, under, over, weights):
    """Fuse a pair; luma by the network, chroma by |C - 128|."""
    functional = torch.nn.functional
    matrix = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]])
    pair = [x @ matrix.T + [16, 128, 128] for x in (under, over)]  # 0 to 255

    def layer(x, name):
        kernel = _kernel(torch, weights[f"{name}/kernel"])
        return functional.leaky_relu(functional.conv2d(x, kernel, padding=kernel.shape[-1] // 2), 0.01)

    lumas = [torch.from_numpy(x[None, None, :, :, 0] / 255) for x in pair]
    x = layer(layer(lumas[0], "conv1"), "conv2") + layer(layer(lumas[1], "conv1"), "conv2")
    for name in ("conv3", "conv4", "conv5", "conv6"):
        x = layer(x, name)
    luma = np.round((x - x.min()).numpy()[0, 0] * 255 / float(x.max() - x.min()))
    # Sorted: the first level with more than a hundredth of all up to it, and the first with all but a hundredth.
    ranked = np.sort(luma, axis=None)
    low, high = ranked[luma.size // 100], ranked[-(-luma.size * 99 // 100) - 1]
    luma = np.clip((luma - low) / (high - low), 0, 1)
    luma = luma * 235 + (1 - luma) * 16
    chromas = []
    for channel in (1, 2):
        planes = np.floor(np.stack([picture[..., channel] for picture in pair]) + 0.5)
        shares = np.abs(planes - 128)
        total = shares.sum(axis=0)
        chromas.append(np.where(total > 0, (planes * shares).sum(axis=0) / np.maximum(total, 1), 128))
    ycbcr = np.floor(np.stack([luma, *chromas], axis=-1) + 0.5)
    return np.clip((ycbcr - [16, 128, 128]) @ np.linalg.inv(matrix).T, 0, 1)


def mefnet(torch, exposures, weights):
    """Fuse a stack by weight maps of small copies and a guided filter."""
    functional = torch.nn.functional
    matrix = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    stack = torch.from_numpy((np.stack(exposures) @ matrix.T + [0, 0.5, 0.5]).transpose(0, 3, 1, 2).copy())
    luma = stack[:, :1]
    height, width = luma.shape[2:]
    small = (128, 128 * width // height) if height <= width else (128 * height // width, 128)
    low = functional.interpolate(luma, small, mode="bilinear", antialias=True, align_corners=False)
    x = low
    for i, dilation in enumerate((1, 2, 4, 8, 16, 1), 1):
        x = functional.conv2d(x, _kernel(torch, weights[f"conv{i}/kernel"]), padding=dilation, dilation=dilation)
        w0, w1, gamma, beta = (
            torch.from_numpy(np.asarray(weights[f"conv{i}_norm/{name}"], np.float64).copy())
            for name in ("w0", "w1", "gamma", "beta")
        )
        x = w0 * x + w1 * functional.instance_norm(x, weight=gamma, bias=beta, eps=1e-5)
        x = functional.leaky_relu(x, 0.2)
    last = _kernel(torch, np.asarray(weights["weight_map/kernel"])[None, None])
    low_weights = functional.conv2d(
        x, last, torch.from_numpy(np.asarray(weights["weight_map/bias"], np.float64).copy())
    )

    def box(plane):
        return functional.avg_pool2d(plane, 3, stride=1, padding=1, count_include_pad=False)

    mean_x, mean_y = box(low), box(low_weights)
    slope = (box(low * low_weights) - mean_x * mean_y) / (box(low * low) - mean_x**2 + 1e-4)
    offset = mean_y - slope * mean_x
    slope, offset = (
        functional.interpolate(c, (height, width), mode="bilinear", align_corners=False) for c in (slope, offset)
    )

    def average(planes, shares):
        shares = shares.abs() + 1e-8
        return (planes * shares).sum(dim=0) / shares.sum(dim=0)

    fused = torch.cat(
        [
            average(luma, slope * luma + offset).clamp(0, 1),
            average(stack[:, 1:2], stack[:, 1:2] - 0.5),
            average(stack[:, 2:3], stack[:, 2:3] - 0.5),
        ]
    )
    rgb = (fused.numpy().transpose(1, 2, 0) - [0, 0.5, 0.5]) @ np.linalg.inv(matrix).T
    return np.clip(rgb, 0, 1)
