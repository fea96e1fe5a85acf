#!/usr/bin/env python3
"""Writes welch.csv: spectra of scipy.signal.welch that tests/photonics/spectra_test.cpp compares with.

The signal is computed, not drawn, so that the test can make the same: x_j = frac(j * golden) +
sin(0.37 j) / 2 + 3, golden = 0.6180339887498949. Each line: samples, segment, sample rate, bin,
density. Needs Debian's python3-scipy. Usage: tests/photonics/vectors/welch.py > welch.csv
"""

import numpy as np
from scipy import signal

CASES = [(1000, 256, 1.0), (777, 64, 2.5e9), (500, 77, 48000.0), (40, 2, 3.0), (129, 129, 10.0)]


def samples(count: int) -> np.ndarray:
    j = np.arange(count, dtype=float)
    golden = j * 0.6180339887498949
    return golden - np.floor(golden) + np.sin(0.37 * j) / 2 + 3


print("samples,segment,sample_rate_hz,bin,density")
for count, segment, rate in CASES:
    _, density = signal.welch(samples(count), fs=rate, nperseg=segment)
    for k, value in enumerate(density):
        print(f"{count},{segment},{rate!r},{k},{float(value)!r}")
