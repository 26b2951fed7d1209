"""The digits of scikit-learn, minibatches of them, and how the three examples show what they do.

1,797 handwritten digits of 8 x 8 pixels: small enough that every example trains in seconds on a laptop.
"""

import json
import sys
import time
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

BATCH_SIZE = 64
EPOCHS = 15
LEARNING_RATE = 0.002
DROPOUT = 0.5


class Digits(NamedTuple):
    """Images are float32 [count, 8, 8, 1] between 0 and 1, labels int64 [count] between 0 and 9."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load():
    """The same split on every call: 1,437 digits to learn from, 360 to be judged by."""
    digits = load_digits()
    images = (digits.images / 16.0).astype(np.float32)[..., np.newaxis]
    labels = digits.target.astype(np.int64)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, labels, test_size=0.2, random_state=1, stratify=labels
    )
    return Digits(train_images, train_labels, test_images, test_labels)


def batches(images, labels, epochs=EPOCHS, batch_size=BATCH_SIZE, seed=0):
    """Yields (images, labels) in a new order each epoch; the last batch of an epoch may be smaller."""
    random = np.random.RandomState(seed)
    for _ in range(epochs):
        order = random.permutation(len(images))
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            yield images[chosen], labels[chosen]


def number_of_steps(images, epochs=EPOCHS, batch_size=BATCH_SIZE):
    return epochs * -(-len(images) // batch_size)


class Training:
    """Iterates over the training batches, shows the progress and measures it.

    The clock of the first step starts when the object is made, so that it covers building the model and
    compiling it. Progress goes to standard error: a bar on a terminal, now and then a line elsewhere.
    """

    def __init__(self, style, digits):
        self.style = style
        self._digits = digits
        self._total = number_of_steps(digits.train_images)
        self._made = time.perf_counter()
        self._first_step = None
        self._end = None
        self._bar = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=self._total, desc=style, unit="step", file=sys.stderr)

    def __iter__(self):
        for step, batch in enumerate(batches(self._digits.train_images, self._digits.train_labels), 1):
            yield batch
            if self._first_step is None:
                self._first_step = time.perf_counter()
            if self._bar is not None:
                self._bar.update()
            elif step % (self._total // 5) == 0:
                print(f"{self.style}: step {step} of {self._total}", file=sys.stderr, flush=True)
        self._end = time.perf_counter()
        if self._bar is not None:
            self._bar.close()

    def report(self, predicted):
        """Prints one line of JSON: the style, the accuracy of `predicted` on the test digits, the speed."""
        result = {
            "style": self.style,
            "test_accuracy": float(np.mean(np.asarray(predicted) == self._digits.test_labels)),
            "steps_per_second": (self._total - 1) / (self._end - self._first_step),
            "seconds_to_first_step": self._first_step - self._made,
        }
        print(json.dumps({key: round(v, 4) if isinstance(v, float) else v for key, v in result.items()}))
