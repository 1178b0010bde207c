"""The kinds of files, one per module (TIFF has three): what each can hold, read and written."""
