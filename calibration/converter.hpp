// Analogue-to-digital converters from records of a sine wave.
//
// Sine fit (IEEE Std 1057): y_n = A cos(w n) + B sin(w n) + C, three parameters where w is known,
// four where it is fitted, too. With r the residuals' root mean square and V the full scale:
//
//   SINAD = 20 log10(sqrt(A^2 + B^2) / (sqrt(2) r))
//   ENOB  = log2(V / (r sqrt(12)))       V = 2^bits; without it, of the sine's own range
//
// Histogram (IEEE Std 1241): transition levels from the cumulative counts of a sine wave that is
// not coherent with the clock, T_k = -cos(pi H_k / N); DNL_k = (T_(k+1) - T_k) / Q - 1 with Q their
// mean, INL the deviation of T from the line through its ends, in steps.
// Test: tests/calibration/converter_test.cpp (ideal quantiser, known DNL, coverage).
#pragma once

#include <Eigen/Core>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace attojoule::calibration {

struct SineFit {
  double omega = 0;  // rad per sample
  double a = 0, b = 0, offset = 0;
  double amplitude = 0;
  double phase = 0;         // of amplitude cos(omega n + phase)
  double residual_rms = 0;  // root of the mean square (the definition of SINAD divides by N)
  double noise = 0;         // residual standard deviation, by degrees of freedom
  double amplitude_error = 0, omega_error = 0, offset_error = 0;  // standard
  bool frequency_fitted = false;
  bool converged = false;      // else only omega, the last tried, is there
  Eigen::MatrixXd covariance;  // of amplitude, offset, and omega where it was fitted
  std::vector<double> residuals;
};

// omega > 0: three parameters. omega = 0: four, started from the peak of the spectrum.
// DataError for fewer than eight samples or a constant record.
SineFit fit_sine(std::span<const double> y, double omega);

struct ConverterFigures {
  double sinad_db = 0, sinad_error_db = 0;
  double enob = 0, enob_error = 0;
  bool enob_of_full_scale = false;  // else of the sine's own range
  // Harmonics 2 to 10, below the fundamental: negative; fundamental to the greatest other line.
  // Standard errors from the variance 2 r^2 / N of an amplitude's square root, for lines that stand
  // above the noise; a line that is its greatest peak is no better known than by itself.
  double thd_db = 0, thd_error_db = 0;
  double sfdr_db = 0, sfdr_error_db = 0;
  double spur_omega = 0;  // where that line is
  std::array<double, 9> harmonic_db{};
};

// bits <= 0: unknown.
ConverterFigures converter_figures(const SineFit& fit, int bits);

struct CodeHistogram {
  int first_code = 0;                        // of dnl[0]
  std::vector<double> dnl, inl;              // in steps, per code
  std::vector<double> dnl_error, inl_error;  // standard, of independent samples
  std::vector<double> counts;                // from the least code seen to the greatest
  std::vector<int> missing;                  // codes without a sample
};

// Samples must be whole numbers. The outermost two codes seen are left out: a sine that clips fills
// them, one that does not reaches them in part. RunError for fewer than six codes or a code that is
// no whole number.
CodeHistogram code_histogram(std::span<const double> codes);

}  // namespace attojoule::calibration
