"""The commands of `npfuse`, one per file: each adds its own parser and does its work."""
