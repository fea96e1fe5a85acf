#!/usr/bin/env python3
"""Writes fits.json: what scipy makes of one data set a fitting kind, which
tests/calibration/scipy_vectors_test.cpp compares with (parameters 1e-6, standard errors 1e-4).

The models and weights are written down here once more, from the headers of calibration/*.hpp; the
minimiser is scipy.optimize.least_squares from starts a few per cent beside the truth, reweighted
until the weights stand still. Data are drawn once (seed below) and stored with ten digits, so that
both programs fit the same numbers. Needs Debian's python3-scipy.

Usage: tests/calibration/vectors/fits.py > fits.json
"""

import json

import numpy as np
from scipy.optimize import least_squares
from scipy.special import wofz

RNG = np.random.default_rng(20240611)
Q_E = 1.602176634e-19
CASES = []


def stored(values):
    """The numbers as the file has them."""
    return np.array([float(f"{v:.10g}") for v in np.asarray(values, float)])


class Solution:
    def __init__(self, names, values, covariance, chi2, dof):
        self.names, self.values, self.covariance = list(names), np.array(values), np.array(covariance)
        self.chi2, self.dof = chi2, dof

    def derived(self, name, formula):
        """A function of the parameters, its error by central differences."""
        gradient = []
        for k, value in enumerate(self.values):
            h = 1e-4 * np.sqrt(self.covariance[k, k])
            up, down = self.values.copy(), self.values.copy()
            up[k], down[k] = value + h, value - h
            gradient.append((formula(up) - formula(down)) / (2 * h))
        map_ = np.vstack([np.eye(len(self.values)), gradient])
        return Solution(self.names + [name], np.append(self.values, formula(self.values)),
                        map_ @ self.covariance @ map_.T, self.chi2, self.dof)

    def expected(self, names):
        at = {name: k for k, name in enumerate(self.names)}
        return {name: [self.values[at[name]], float(np.sqrt(self.covariance[at[name], at[name]]))] for name in names}


def solve(names, start, model, y, sigma_of, known):
    """Least squares with sigma_of(model values), reweighted; covariance scaled by chi2/dof unless known."""
    start = np.array(start, float)
    scale = np.where(start != 0, np.abs(start), 1)
    q = start / scale
    sigma = sigma_of(model(*start))

    def residuals(v):
        return (y - model(*(v * scale))) / sigma

    def jacobian(v):
        steps = 1e-5 * np.eye(len(v))
        return np.array([(residuals(v + h) - residuals(v - h)) / 2e-5 for h in steps]).T

    for _ in range(200):
        q = least_squares(residuals, q, jac=jacobian, xtol=1e-15, ftol=1e-15, gtol=1e-15).x
        for _ in range(5):  # the last digits, where scipy's tests of convergence stop
            q = q - np.linalg.lstsq(jacobian(q), residuals(q), rcond=None)[0]
        new = sigma_of(model(*(q * scale)))
        settled = np.max(np.abs(new / sigma - 1)) < 1e-12
        sigma = new
        if settled:
            break
    else:
        raise RuntimeError("the weights do not settle")
    dof = len(y) - len(q)
    chi2 = float(np.sum(residuals(q) ** 2))
    slopes = jacobian(q)
    covariance = np.linalg.inv(slopes.T @ slopes) * np.outer(scale, scale)
    if not known:
        covariance = covariance * chi2 / dof
    return Solution(names, q * scale, covariance, chi2, dof)


def ones(model_values):
    return np.ones_like(model_values)


def add(case, kind, data, solution, names, options=None):
    entry = {"case": case, "kind": kind, "options": options or {}, "chi2": solution.chi2, "dof": solution.dof,
             "data": {key: [float(v) for v in values] for key, values in data.items()},
             "expected": solution.expected(names)}
    CASES.append(entry)


def responsivity():
    x = stored(np.linspace(0, 2e-3, 21))
    relative, floor = 0.005, 2e-9
    truth = 12e-9 + 0.92 * x
    y = stored(truth + np.hypot(relative * truth, floor) * RNG.standard_normal(len(x)))
    names = ["responsivity", "dark_current"]
    line = lambda r, d: d + r * x
    known = solve(names, [0.9, 1e-8], line, y, lambda f: np.hypot(relative * f, floor), True)
    add("line, known scatter", "responsivity", {"x": x, "y": y}, known, names, {"relative": relative, "floor": floor})
    y = stored(12e-6 + 0.92 * x + 3e-6 * RNG.standard_normal(len(x)))
    add("line, scatter from the residuals", "responsivity", {"x": x, "y": y}, solve(names, [0.9, 1e-5], line, y, ones, False), names)
    names.append("inverse_saturation_current")
    bent = lambda r, d, s: d + r * x / (1 + r * x * s)
    y = stored(bent(0.92, 12e-6, 60) + 2e-6 * RNG.standard_normal(len(x)))
    add("saturation", "responsivity", {"x": x, "y": y}, solve(names, [0.9, 1e-5, 50], bent, y, lambda f: 2e-6 * ones(f), True), names,
        {"floor": 2e-6, "saturation": 1})


def shot_noise():
    x = stored([0, 0.2, 0.5, 1, 2, 4, 7, 10])
    nu = stored([900, 1000, 1100, 1200, 800, 1500, 1300, 1000])
    truth = 2e-6 + 3.1e-6 * x + 4e-8 * x**2
    y = stored(truth * (1 + np.sqrt(2 / nu) * RNG.standard_normal(len(x))))
    names = ["a", "b", "c"]
    law = lambda a, b, c: a + b * x + c * x**2
    add("nu known", "shot-noise", {"x": x, "y": y, "nu": nu}, solve(names, [2.1e-6, 3e-6, 5e-8], law, y, lambda f: f * np.sqrt(2 / nu), True), names)
    add("scatter from the data", "shot-noise", {"x": x, "y": y}, solve(names, [2.1e-6, 3e-6, 5e-8], law, y, lambda f: f, False), names)


def photon_transfer():
    photons = stored(np.linspace(500, 12000, 16))
    gain, eta, dark = 0.25, 0.6, 12.0
    pixels = 40000
    mean = stored(gain * eta * photons)
    truth = dark + gain**2 * eta * photons
    scatter = lambda v: v * (1 + np.sqrt(2 / pixels) * RNG.standard_normal(len(photons)))
    variance, dark_variance = stored(scatter(truth)), stored(scatter(dark * np.ones_like(photons)))
    n = int(np.sum(mean < 0.7 * mean[-1]))
    x, d = mean[:n], dark_variance[:n]
    y = variance[:n] - d
    sigma = lambda f: np.sqrt(2 / pixels) * np.hypot(f + d, d)
    known = solve(["K"], [0.24], lambda k: k * x, y, sigma, True)
    data = {"photons": photons, "mean": mean, "variance": variance, "dark_variance": dark_variance}
    add("weighted", "ptc", data, known, ["K"], {"pixels": pixels})


def loss():
    x = stored([0.4, 1.1, 2.3, 3.2, 5.0, 7.1])
    y = stored(-9 - 2.3 * x + 0.1 * RNG.standard_normal(len(x)))
    names = ["propagation_loss", "intercept"]
    line = lambda a, t: t - a * x
    add("scatter from the residuals", "loss", {"x": x, "y": y}, solve(names, [2, -8], line, y, ones, False), names)
    sigma = stored([0.1, 0.2, 0.1, 0.15, 0.1, 0.2])
    add("known scatter", "loss", {"x": x, "y": y, "sigma": sigma}, solve(names, [2, -8], line, y, lambda f: sigma, True), names)


def light_current():
    x = stored(np.linspace(0, 40e-3, 81))
    hinge = lambda i, e, w, p, s: p + s * x + e * np.exp(w) * np.logaddexp(0, (x - i) / np.exp(w))
    y = stored(hinge(12.3e-3, 0.3, np.log(0.9e-3), 4e-6, 2e-3) + 6e-6 * RNG.standard_normal(len(x)))
    found = solve(["threshold_current", "eta", "log_width", "offset", "spontaneous"], [12e-3, 0.31, np.log(1e-3), 5e-6, 1e-3],
                  hinge, y, ones, False)
    found = found.derived("slope_efficiency", lambda p: p[1] + p[4])
    add("knee resolved", "li", {"x": x, "y": y}, found, ["threshold_current", "slope_efficiency"])


def common_mode():
    x = stored(np.linspace(1e6, 400e6, 25))
    r0, tau = 0.012, 90e-12
    law = lambda c, d: -10 * np.log10(10 ** (-c / 10) + (1 - 10 ** (-c / 20)) * (2 * np.pi * x) ** 2 * d)
    cmrr = -20 * np.log10(r0)
    y = law(cmrr, tau**2) + 0.2 * np.sqrt(2) * RNG.standard_normal(len(x))
    both = stored(10 ** (-y / 10))
    y = -10 * np.log10(both)
    sigma = 0.2 * np.sqrt(2)
    names = ["cmrr", "delay_squared"]
    add("delay", "cmrr", {"frequency": x, "both": both}, solve(names, [cmrr + 1, 1.1 * tau**2], law, y, lambda f: sigma * ones(f), True),
        names, {"sigma_db": 0.2})


def visibility():
    x = stored(np.linspace(0, 9, 60))
    fringe = lambda v, m, p, t: m * (1 + v * np.cos(2 * np.pi * x / t + p))
    y = stored(fringe(0.93, 20e-6, 0.7, 3.1) + 0.2e-6 * RNG.standard_normal(len(x)))
    names = ["visibility", "mean", "phase", "period"]
    add("period fitted", "visibility", {"x": x, "y": y}, solve(names, [0.9, 21e-6, 0.72, 3.12], fringe, y, ones, False), names)


def mach_zehnder():
    x = stored(np.linspace(-1, 7, 81))
    u = x - 3
    curve = lambda v, m, q, p, k=0.0: m * ((1 + q) + (1 - q) * np.cos(p + np.pi * u * (1 + k * u) / v)) / 2
    sigma = lambda f: np.hypot(0.005 * f, 0.2e-6)
    straight = curve(3.4, 0.42e-3, 0.004, 0.5)
    y = stored(straight + sigma(straight) * RNG.standard_normal(len(x)))
    names = ["half_wave_voltage", "maximum", "minimum_share", "phase"]
    found = solve(names, [3.41, 0.43e-3, 0.0045, 0.52], curve, y, sigma, True)
    found = found.derived("extinction_ratio", lambda p: -10 * np.log10(p[2]))
    found = found.derived("insertion_loss", lambda p: -10 * np.log10(p[1] / 1e-3))
    options = {"relative": 0.005, "floor": 0.2e-6, "input_power": 1e-3}
    add("linear phase", "mzm", {"x": x, "y": y}, found, found.names, options)
    bent = curve(3.4, 0.42e-3, 0.004, 0.5, 0.03)
    y = stored(bent + sigma(bent) * RNG.standard_normal(len(x)))
    names = names + ["curvature"]
    found = solve(names, [3.41, 0.43e-3, 0.0045, 0.52, 0.028], curve, y, sigma, True)
    add("curved phase", "mzm", {"x": x, "y": y}, found, names, dict(options, curved_phase=1))


def ring():
    centre = 193.4e12
    offset = stored(np.linspace(-30e9, 30e9, 61))
    lorentz = lambda w, f, m, b: b * (m + (2 * (offset - f) / w) ** 2) / (1 + (2 * (offset - f) / w) ** 2)
    truth = lorentz(8e9, 0.6e9, 0.1, 0.8)
    y = stored(truth * (1 + 0.005 * RNG.standard_normal(len(offset))))
    names = ["linewidth", "offset", "minimum_transmission", "baseline"]
    found = solve(names, [8.2e9, 0.5e9, 0.11, 0.81], lorentz, y, lambda f: 0.005 * f, True)
    found = found.derived("q", lambda p: (centre + p[1]) / p[0])
    add("one resonance", "ring", {"offset": offset, "y": y}, found, found.names, {"relative": 0.005, "centre": centre})
    offset = stored(np.linspace(-60e9, 440e9, 251))

    def airy(w, f, m, b, fsr):
        shape = (np.sin(np.pi * (offset - f) / fsr) / np.sin(np.pi * w / (2 * fsr))) ** 2
        return b * (m + shape) / (1 + shape)

    truth = airy(12e9, 1e9, 0.05, 0.8, 180e9)
    y = stored(truth * (1 + 0.005 * RNG.standard_normal(len(offset))))
    names = ["linewidth", "offset", "minimum_transmission", "baseline", "fsr"]
    found = solve(names, [12.2e9, 1.1e9, 0.052, 0.81, 180.2e9], airy, y, lambda f: 0.005 * f, True)
    found = found.derived("finesse", lambda p: p[4] / p[0])
    add("several resonances", "ring", {"offset": offset, "y": y}, found, [n for n in found.names if n != "offset"],
        {"relative": 0.005, "centre": centre})


def intensity_noise():
    current, load, scatter = 2e-3, 50.0, 0.1
    power = current**2 * load
    shot = 2 * Q_E / current
    x = stored(1e7 * np.arange(1, 41))
    thermal = stored(1e-19 * 10 ** (0.03 * np.arange(40)) * (1 + scatter * RNG.standard_normal(40)))
    shown = stored((thermal + power * (3e-15 + shot)) * (1 + scatter * RNG.standard_normal(40)))
    floor = thermal / power + shot
    y = shown / power - floor
    sigma = lambda f: scatter * np.hypot(np.maximum(f, 0) + floor, floor)
    data = {"frequency": x, "noise": shown, "thermal": thermal}
    options = {"photocurrent": current, "dc_power": power, "relative_scatter": scatter}
    add("white", "rin", data, solve(["rin"], [3.1e-15], lambda r: r * np.ones_like(x), y, sigma, True), ["rin"], options)
    x = stored(1e8 * np.arange(1, 101))
    law = lambda r, b, f, g: (r * f**4 + b * f**2 * x**2) / ((f**2 - x**2) ** 2 + (g * x / (2 * np.pi)) ** 2)
    scatter = 0.05
    truth = law(1e-15, 8e-15, 5e9, 8e9)
    thermal = stored(2e-20 * (1 + scatter * RNG.standard_normal(100)))
    shown = stored((2e-20 + power * (truth + shot)) * (1 + scatter * RNG.standard_normal(100)))
    floor = thermal / power + shot
    y = shown / power - floor
    names = ["rin", "peak", "relaxation_frequency", "damping"]
    add("relaxation", "rin", {"frequency": x, "noise": shown, "thermal": thermal}, solve(names, [1.1e-15, 8.2e-15, 5.05e9, 8.2e9], law, y, sigma, True),
        names, dict(options, relative_scatter=scatter, relaxation=1))


def relaxation_oscillation():
    current = stored([16e-3, 20e-3, 25e-3, 32e-3, 40e-3, 50e-3])
    d, k, offset, threshold = 40e9, 0.3e-9, 4e9, 12e-3
    f_true = d * np.sqrt(current - threshold)
    g_true = offset + k * f_true**2
    sf, sg, r = 0.005 * f_true, 0.03 * g_true, stored([-0.2, -0.1, 0.1, 0.2, 0.3, 0.4])
    a, b = RNG.standard_normal((2, len(current)))
    f, g = stored(f_true + sf * a), stored(g_true + sg * (r * a + np.sqrt(1 - r**2) * b))
    sf, sg = stored(sf), stored(sg)
    y = np.concatenate([f / sf, (g / sg - r * f / sf) / np.sqrt(1 - r**2)])

    def law(d_, k_, o_, t_):
        m = d_ * np.sqrt(np.maximum(current - t_, 0))
        return np.concatenate([m / sf, ((o_ + k_ * m**2) / sg - r * m / sf) / np.sqrt(1 - r**2)])

    names = ["d_factor", "k_factor", "damping_offset", "threshold_current"]
    data = {"current": current, "frequency": f, "damping": g, "u_frequency": sf, "u_damping": sg, "correlation": r}
    add("both laws", "relaxation oscillation", data, solve(names, [41e9, 0.31e-9, 4.2e9, 11.8e-3], law, y, ones, True), names)


def linewidth():
    x = stored(np.geomspace(1e3, 1e6, 50))
    law = lambda h, k: h + k / x
    y = stored(law(2e4, 3e8) * (1 + 0.1 * RNG.standard_normal(50)))
    found = solve(["h0", "flicker"], [2.1e4, 3.1e8], law, y, lambda f: 0.1 * f, True)
    found = found.derived("linewidth", lambda p: np.pi * p[0])
    add("frequency noise", "linewidth", {"x": x, "y": y}, found, found.names, {"model": "frequency_noise", "relative": 0.1})
    x = stored(np.linspace(79e6, 81e6, 101))
    line = lambda w, c, a, b: b + a / (1 + ((x - 80e6 - c) / w) ** 2)
    y = stored(line(150e3, 2e4, 1e-8, 1e-11) * (1 + 0.1 * RNG.standard_normal(101)))
    found = solve(["linewidth", "offset", "amplitude", "floor"], [155e3, 1.9e4, 1.02e-8, 1.1e-11], line, y, lambda f: 0.1 * f, True)
    add("Lorentz, self-heterodyne", "linewidth", {"x": x, "y": y}, found, found.names, {"model": "lorentz", "relative": 0.1, "centre": 80e6})
    voigt = lambda w, c, a, b, s: b + a * wofz((x - 80e6 - c + 1j * w) / (2 * np.sqrt(2) * s)).real
    y = stored(voigt(100e3, 2e4, 1e-8, 1e-11, 80e3) * (1 + 0.02 * RNG.standard_normal(101)))
    found = solve(["linewidth", "offset", "amplitude", "floor", "gaussian_width"], [101e3, 1.95e4, 1.02e-8, 1.05e-11, 79e3], voigt, y,
                  lambda f: 0.02 * f, True)
    add("Voigt", "linewidth", {"x": x, "y": y}, found, found.names, {"model": "voigt", "relative": 0.02, "centre": 80e6})
    tau = 4e-6

    def richter(w, c, a, b):
        off = x - 80e6 - c
        return b + a * w**2 / (w**2 + off**2) * (1 - np.exp(-2 * np.pi * tau * w) *
                                                 (np.cos(2 * np.pi * off * tau) + w * 2 * np.pi * tau * np.sinc(2 * off * tau)))

    x = stored(np.linspace(79.2e6, 80.8e6, 161))
    y = stored(richter(60e3, 1e4, 1e-8, 1e-11) * (1 + 0.02 * RNG.standard_normal(161)))
    found = solve(["linewidth", "offset", "amplitude", "floor"], [61e3, 1.01e4, 1.02e-8, 1.02e-11], richter, y, lambda f: 0.02 * f, True)
    add("short delay", "linewidth", {"x": x, "y": y}, found, found.names, {"model": "short_delay", "relative": 0.02, "delay": tau, "centre": 80e6})


def frequency_response():
    x = stored(np.geomspace(1e6, 2e9, 60))
    pole = lambda f: -10 * np.log10(1 + (x / f) ** 2)
    pair = lambda f, q: -10 * np.log10((1 - (x / f) ** 2) ** 2 + (x / f / q) ** 2)
    for name, names, truth, law in [
            ("one-pole", ["gain", "f1"], [3, 6e8], lambda g, f: g + pole(f)),
            ("two-poles", ["gain", "f1", "f2"], [3, 4e8, 1.1e9], lambda g, f, h: g + pole(f) + pole(h)),
            ("complex-pair", ["gain", "f0", "Q"], [3, 5e8, 1.4], lambda g, f, q: g + pair(f, q)),
            ("complex-pair-and-pole", ["gain", "f0", "Q", "f1"], [3, 5e8, 1.4, 9e8], lambda g, f, q, h: g + pair(f, q) + pole(h))]:
        y = stored(law(*truth) + 0.1 * RNG.standard_normal(60))
        add(name, "s21", {"x": x, "y": y}, solve(names, [1.03 * t for t in truth], law, y, ones, False), names)


def converter():
    n = np.arange(300)
    omega = 2 * np.pi * 0.0371
    y = stored(np.round(110 * np.cos(omega * n + 0.4) + 127.3 + 0.3 * RNG.standard_normal(300)))
    sine = lambda a, b, c, w: a * np.cos(w * n) + b * np.sin(w * n) + c
    found = solve(["a", "b", "offset", "omega"], [110 * np.cos(0.4), -110 * np.sin(0.4), 127, omega], sine, y, ones, False)
    found = found.derived("amplitude", lambda p: np.hypot(p[0], p[1]))
    add("four parameters", "adc", {"y": y}, found, found.names)


def nonlinearity():
    x = stored(np.linspace(0.02, 1, 40))
    for name, names, truth, law in [
            ("cubic", ["a", "b", "c", "d"], [0.01, 1.4, -0.6, 0.19], lambda a, b, c, d: a + b * x + c * x**2 + d * x**3),
            ("power", ["a", "b", "p"], [0.02, 0.98, 0.7], lambda a, b, p: a + b * x**p),
            ("saturation", ["a", "b", "1/s"], [0.01, 1.98, 1.0], lambda a, b, s: a + b * x / (1 + x * s))]:
        y = law(*truth) + 0.01 * RNG.standard_normal(40)
        y = stored(y / y.max())
        add(name, "nonlinearity", {"x": x, "y": y}, solve(names, truth, law, y, ones, False), names)


def weights():
    targets, writes, reads = 6, 4, 5
    rows = [(s / 5, w, s / 5 + 0.002 * s + p + 0.004 * RNG.standard_normal())
            for s in range(targets) for w in range(writes) for p in [0.01 * RNG.standard_normal()] for _ in range(reads)]
    t, w, y = (stored(v) for v in zip(*rows))
    cube = y.reshape(targets, writes, reads)
    cell = cube.mean(axis=2)
    ms_read = ((cube - cell[:, :, None]) ** 2).sum() / (targets * writes * (reads - 1))
    ms_write = reads * ((cell - cell.mean(axis=1, keepdims=True)) ** 2).sum() / (targets * (writes - 1))
    found = Solution(["ms_read", "ms_write", "read_variance", "write_variance"],
                     [ms_read, ms_write, ms_read, (ms_write - ms_read) / reads], np.eye(4), 0, 0)
    add("balanced table", "weights", {"target": t, "write": w, "value": y}, found, found.names)


def joint():
    """A photocurrent and a DC monitor share the responsivity; the power meter's scale is known to 2 %."""
    p = stored(np.linspace(0.1e-3, 1e-3, 12))
    i = stored((0.92 * p + 5e-9) * (1 + 0.003 * RNG.standard_normal(12)))
    v = stored(12e3 * 0.92 * p + 1e-3 + 0.5e-3 * RNG.standard_normal(12))
    sigma = np.concatenate([0.003 * i, 0.5e-3 * np.ones(12), [0.02]])

    def law(r, d, z, o, s):
        return np.concatenate([s * r * p + d, z * s * r * p + o, [s]])

    # The scatter of the currents goes with the model.
    names = ["responsivity", "current.dark_current", "transresistance", "monitor.offset", "power_scale"]
    spread = lambda f: np.concatenate([0.003 * f[:12], sigma[12:]])
    found = solve(names, [0.9, 6e-9, 12.1e3, 1.1e-3, 1.001], law, np.concatenate([i, v, [1.0]]), spread, True)
    add("two measurements and a given value", "joint", {"power": p, "current": i, "voltage": v}, found, names)


for make in [responsivity, shot_noise, photon_transfer, loss, light_current, common_mode, visibility, mach_zehnder, ring,
             intensity_noise, relaxation_oscillation, linewidth, frequency_response, converter, nonlinearity, weights, joint]:
    make()
print("[")
print(",\n".join(json.dumps(case) for case in CASES))
print("]")
