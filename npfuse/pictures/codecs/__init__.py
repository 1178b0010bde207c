"""The kinds of files, one a module (TIFF three): what each can hold, read and written."""
