"""The networks in plain Keras layers: training, export and the cross-check against npfuse.

Nothing in npfuse imports this package, and only this package imports Keras. The models are written by hand from the
paper and never read npfuse's graphs: two descriptions made apart are what makes the cross-check mean something.
Run it as ``python -m reference train …`` or ``python -m reference crosscheck …``; ``--help`` lists the commands.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up notes would bury one-line errors
