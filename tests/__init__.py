"""The tests mirror the packages; arrays.py and the other plain modules here are what they share."""
