#include "photonics/spectra.hpp"

#include <fftw3.h>
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <mutex>
#include <numbers>

#include "photonics/error.hpp"

namespace attojoule::photonics {

namespace {

// FFTW's planner is not safe to call from two threads; execution is.
std::mutex& planner_mutex() {
  static std::mutex mutex;
  return mutex;
}

// A real transform of fixed length with its buffers.
class RealTransform {
 public:
  explicit RealTransform(std::size_t length)
      : input_(fftw_alloc_real(length), fftw_free),
        output_(fftw_alloc_complex(length / 2 + 1), fftw_free) {
    const std::scoped_lock lock(planner_mutex());
    plan_ =
        fftw_plan_dft_r2c_1d(static_cast<int>(length), input_.get(), output_.get(), FFTW_ESTIMATE);
  }
  ~RealTransform() {
    const std::scoped_lock lock(planner_mutex());
    fftw_destroy_plan(plan_);
  }
  RealTransform(const RealTransform&) = delete;
  RealTransform& operator=(const RealTransform&) = delete;

  double* input() { return input_.get(); }
  void execute() { fftw_execute(plan_); }
  double squared_magnitude(std::size_t k) const {
    const fftw_complex& value = output_.get()[k];
    return value[0] * value[0] + value[1] * value[1];
  }

 private:
  std::unique_ptr<double, void (*)(void*)> input_;
  std::unique_ptr<fftw_complex, void (*)(void*)> output_;
  fftw_plan plan_ = nullptr;
};

}  // namespace

PowerSpectrum welch(std::span<const double> signal, double sample_rate_hz, std::size_t segment) {
  if (segment < 2 || segment > 1u << 30 || signal.size() < segment) {
    throw RunError(
        fmt::format("spectrum: {} samples cannot be cut into segments of {} (a segment needs 2 "
                    "samples and must "
                    "fit into the signal). Choose a shorter segment or a longer signal.",
                    signal.size(), segment));
  }
  if (!(sample_rate_hz > 0 && std::isfinite(sample_rate_hz))) {
    throw RunError(fmt::format(
        "spectrum: a sample rate of {} Hz (frequencies are multiples of it). Give a positive one.",
        sample_rate_hz));
  }
  std::vector<double> window(segment);
  double window_power = 0;
  for (std::size_t j = 0; j < segment; ++j) {
    window[j] = 0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(j) /
                                     static_cast<double>(segment));
    window_power += window[j] * window[j];
  }
  PowerSpectrum spectrum;
  const std::size_t bins = segment / 2 + 1;
  spectrum.density.assign(bins, 0.0);
  spectrum.frequency_hz.resize(bins);
  for (std::size_t k = 0; k < bins; ++k) {
    spectrum.frequency_hz[k] =
        static_cast<double>(k) * sample_rate_hz / static_cast<double>(segment);
  }
  RealTransform transform(segment);
  const std::size_t step = segment - segment / 2;
  for (std::size_t begin = 0; begin + segment <= signal.size(); begin += step) {
    double mean = 0;
    for (std::size_t j = 0; j < segment; ++j) mean += signal[begin + j];
    mean /= static_cast<double>(segment);
    for (std::size_t j = 0; j < segment; ++j) {
      transform.input()[j] = (signal[begin + j] - mean) * window[j];
    }
    transform.execute();
    for (std::size_t k = 0; k < bins; ++k) spectrum.density[k] += transform.squared_magnitude(k);
    ++spectrum.segments;
  }
  const double scale = 1 / (sample_rate_hz * window_power * static_cast<double>(spectrum.segments));
  for (std::size_t k = 0; k < bins; ++k) {
    const bool once = k == 0 || 2 * k == segment;
    spectrum.density[k] *= once ? scale : 2 * scale;
  }
  return spectrum;
}

double mean_density(const PowerSpectrum& spectrum, double low_hz, double high_hz) {
  double sum = 0;
  std::size_t count = 0;
  for (std::size_t k = 0; k < spectrum.frequency_hz.size(); ++k) {
    if (spectrum.frequency_hz[k] < low_hz || spectrum.frequency_hz[k] > high_hz) continue;
    sum += spectrum.density[k];
    ++count;
  }
  if (count == 0) {
    throw RunError(fmt::format(
        "spectrum: no frequency between {} Hz and {} Hz (the spectrum ends at {} Hz and has {} "
        "points). Widen the range or lengthen the segments.",
        low_hz, high_hz, spectrum.frequency_hz.empty() ? 0.0 : spectrum.frequency_hz.back(),
        spectrum.frequency_hz.size()));
  }
  return sum / static_cast<double>(count);
}

PowerSpectrum rin_spectrum(std::span<const double> power, double sample_rate_hz,
                           std::size_t segment) {
  PowerSpectrum spectrum = welch(power, sample_rate_hz, segment);
  double mean = 0;
  for (const double p : power) mean += p;
  mean /= static_cast<double>(power.size());
  for (double& density : spectrum.density) density /= mean * mean;
  return spectrum;
}

PowerSpectrum frequency_noise_spectrum(std::span<const double> phase_rad, double sample_rate_hz,
                                       std::size_t segment) {
  std::vector<double> frequency;
  for (std::size_t k = 1; k < phase_rad.size(); ++k) {
    frequency.push_back((phase_rad[k] - phase_rad[k - 1]) * sample_rate_hz /
                        (2 * std::numbers::pi));
  }
  return welch(frequency, sample_rate_hz, segment);
}

double lorentzian_linewidth_hz(const PowerSpectrum& frequency_noise, double low_hz,
                               double high_hz) {
  return std::numbers::pi * mean_density(frequency_noise, low_hz, high_hz);
}

}  // namespace attojoule::photonics
