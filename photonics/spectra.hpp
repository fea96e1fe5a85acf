// Power spectral densities of sampled signals. The only file that talks to FFTW.
//
// Welch's average of modified periodograms. A signal x of sample rate f_s is cut into segments of L
// samples that overlap by half (L - L/2 samples apart); each loses its mean and is weighted by the
// periodic Hann window h_j = (1 - cos(2 pi j / L)) / 2:
//
//   S(k f_s / L) = c_k / (f_s sum_j h_j^2) <|sum_j h_j x_j e^(-2 pi i j k / L)|^2>,  k = 0 .. L/2
//
// c_k = 2 (one sided) except at 0 and, for even L, at f_s / 2, where it is 1. The integral of S
// over frequency is the variance. A spectral line spreads over an equivalent noise bandwidth of 1.5
// f_s / L. The scatter of a density is its value / sqrt(number of independent segments), about 1.06
// sqrt(2) / sqrt(2 x segments) for half overlap. Source: Welch, IEEE Trans. Audio Electroacoust.
// 15, 70 (1967); scipy.signal.welch's conventions. Test: tests/photonics/spectra_test.cpp (V23,
// vectors of scipy).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace attojoule::photonics {

struct PowerSpectrum {
  std::vector<double> frequency_hz;  // 0 ... f_s / 2
  std::vector<double> density;       // one sided, square of the signal's unit per hertz
  std::size_t segments = 0;          // averaged, overlapping ones counted singly
};

// Segments of `segment` >= 2 samples; samples that do not fill the last one are left out. The same
// input gives the same bits (FFTW plans by estimate, not by timing).
// Throws RunError where the signal is shorter than a segment or sample_rate_hz is not positive.
PowerSpectrum welch(std::span<const double> signal, double sample_rate_hz, std::size_t segment);

// Mean density over the frequencies in [low_hz, high_hz].
// Throws RunError where no frequency of the spectrum lies there.
double mean_density(const PowerSpectrum& spectrum, double low_hz, double high_hz);

// Relative intensity noise [1/Hz, one sided]: Welch density of the power over its squared mean.
PowerSpectrum rin_spectrum(std::span<const double> power, double sample_rate_hz,
                           std::size_t segment);

// Density of the instantaneous frequency [Hz^2/Hz, one sided] of an unwrapped phase in radians:
// Welch of (phi_(k+1) - phi_k) f_s / (2 pi).
PowerSpectrum frequency_noise_spectrum(std::span<const double> phase_rad, double sample_rate_hz,
                                       std::size_t segment);

// Lorentzian linewidth (full width at half maximum) of white frequency noise: pi h_0, h_0 the
// one-sided density of the frequency, here averaged over [low_hz, high_hz]. Holds where the density
// is flat: below the relaxation oscillation, above technical 1/f noise.
// Source: Di Domenico, Schilt and Thomann, Appl. Opt. 49, 4801 (2010).
double lorentzian_linewidth_hz(const PowerSpectrum& frequency_noise, double low_hz, double high_hz);

}  // namespace attojoule::photonics
