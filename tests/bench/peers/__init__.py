"""Tests of the benchmark; none of them looks at how long anything takes."""
