"""The metadata that goes with the pixels: EXIF, XMP and IPTC blocks, and ICC profiles."""
