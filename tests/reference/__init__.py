"""Tests of the training and of the Keras models; all are skipped where Keras is missing."""
