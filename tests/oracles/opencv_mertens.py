"""Mertens 2009 in OpenCV's filters and float64, written after its MergeMertens, apart from the graph.

OpenCV's own class computes in float32, where the rounding of luma outweighs the 1e-12 that it adds to every weight.
"""

import numpy as np


def merge(cv2, pictures):
    """Fuse uint8 pictures (H, W, 3), RGB, with all three measures; (H, W, 3) float64."""
    pictures = [picture / 255.0 for picture in pictures]
    weights = [_weight(cv2, picture) for picture in pictures]
    total = sum(weights)
    height, width = pictures[0].shape[:2]
    levels = int(np.log2(min(height, width)))
    blended = [0.0] * (levels + 1)
    for picture, weight in zip(pictures, weights, strict=True):
        share = weight / total
        for level in range(levels):
            coarser = cv2.pyrDown(picture)
            detail = picture - cv2.pyrUp(coarser, dstsize=picture.shape[1::-1])
            blended[level] = blended[level] + detail * share[..., np.newaxis]
            picture, share = coarser, cv2.pyrDown(share)
        blended[levels] = blended[levels] + picture * share[..., np.newaxis]
    result = blended[levels]
    for detail in reversed(blended[:levels]):
        result = detail + cv2.pyrUp(result, dstsize=detail.shape[1::-1])
    return result


def _weight(cv2, picture):
    """Return contrast times saturation times exposedness, and OpenCV's floor, (H, W)."""
    contrast = np.abs(cv2.Laplacian(picture @ [0.299, 0.587, 0.114], cv2.CV_64F))
    deviation = picture - picture.mean(axis=2, keepdims=True)
    saturation = np.sqrt((deviation**2).sum(axis=2))
    exposedness = np.exp(-((picture - 0.5) ** 2) / 0.08).prod(axis=2)
    return contrast * saturation * exposedness + 1e-12
