"""The classifier of `digits_eager.py` with its step traced by tf.function: same code, run as one program.

Run it with `everflow run examples/digits_function.py`.
"""

import digits_eager
import tensorflow as tf

if __name__ == "__main__":
    digits_eager.main(style="function", decorate=tf.function)
