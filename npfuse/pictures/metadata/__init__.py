"""What travels with the pixels: EXIF, XMP and IPTC blocks, and ICC profiles."""
