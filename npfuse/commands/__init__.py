"""The commands of `npfuse`, one a file: each adds its own parser and does its work."""
